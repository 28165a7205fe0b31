/** What every change is answered with. */
import { FsError } from '../../core/errors.ts';

export const UNWRITABLE = 'writing to ext2, ext3 and ext4 is not built yet';

/** @throws FsError EROFS, always */
export function refuseChange(): never {
  throw new FsError('EROFS', { detail: UNWRITABLE });
}
