/** What every change is answered with. */
import { FsError } from '../../core/errors.ts';

/** @throws FsError EROFS, always */
export function refuseChange(): never {
  throw new FsError('EROFS', { detail: 'writing gfs2 is not built yet' });
}
