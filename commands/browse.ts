/** browse: walks the image with keys. */
import { command } from './command.ts';
import { CommandFailure } from './failure.ts';
import { tidyPath } from './tidy-path.ts';

export const browse = command({
  name: 'browse',
  count: [0, 1],
  operands: '[directory]',
  about: 'walk through the image with keys (at the prompt)',
  help: 'Arrows move, enter or right goes into a directory, left goes back, m draws the map of a file, q leaves.',
  needs: 'image',
  once: true,
  completes: 'path',
  run(session, { operands: [path = '.'] }): undefined {
    if (session.present === null) throw new CommandFailure('browse needs a terminal: see tree and ls');
    session.lookup(path, { follow: true });
    session.present({ kind: 'browse', path: tidyPath(session.where(path).path) });
  },
});
