/** Commands on an image that another run of fsio changes meanwhile: what was read before is forgotten, and read again. */
import { FsError } from '../core/errors.ts';
import { CommandFailure } from './failure.ts';
import type { Session } from './session.ts';

/** Times that something is done again because another process was faster. */
const TRIES = 20;

/**
 * Does `work`. If it fails and another process changed an image since it was opened, the use of that image begins anew,
 * and `work` is done again, unless it `said` something already. @throws what `work` throws
 */
export function upToDate(session: Session, work: () => void, said: () => boolean): void {
  for (let tries = 0; ; tries++) {
    try {
      return work();
    } catch (error) {
      if (said() || tries === TRIES || !startOver(session)) throw error;
    }
  }
}

/** Begins anew with every image that another process changed; false if there is none, or it cannot be done. */
function startOver(session: Session): boolean {
  const { mounts } = session;
  const stale = [...mounts].filter((mount) => mounts.isStale(mount));
  try {
    return stale.length > 0 && stale.every((mount) => session.remount(true, () => {}, mount).length === 0);
  } catch (error) {
    if (error instanceof FsError || error instanceof CommandFailure) return false;
    throw error;
  }
}
