import { command } from './command.ts';

/** quit: ends the session. */
export const quit = command({
  name: 'quit',
  alias: 'q',
  about: 'end the session',
  needs: 'nothing',
  once: true,
  run(session): undefined {
    session.ended = true;
  },
});
