/** cd and pwd: the directory of the image from which relative paths start. */
import { FsError } from '../core/errors.ts';
import { command } from './command.ts';
import { tidyPath } from './tidy-path.ts';

export const cd = command({
  name: 'cd',
  count: [0, 1],
  operands: '[path]',
  about: 'change the directory from which relative paths start',
  needs: 'image',
  once: true,
  completes: 'path',
  run(session, { operands }): undefined {
    const path = operands[0] ?? '/';
    if (session.lookup(path, { follow: true }).kind !== 'dir') throw new FsError('ENOTDIR', { path });
    const { mount, path: inside } = session.where(path);
    session.use(mount);
    mount.cwd = tidyPath(inside);
  },
});

export const pwd = command({
  name: 'pwd',
  count: [0, 0],
  about: 'print the directory from which relative paths start',
  needs: 'image',
  once: true,
  run: (session): { path: string } => ({ path: session.cwd }),
  text: ({ path }, out) => out.write(`${path}\n`),
});
