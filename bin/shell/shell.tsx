import type { Session } from '../../commands/session.ts';

/** The interactive shell. */
export async function shell(session: Session): Promise<void> {
  session.ended = true;
}
