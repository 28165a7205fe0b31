/**
 * shutdown, freeze, thaw, resblks, inject: what only a mounted file system has, as far as it means something to a
 * script on an image. shutdown leaves the image as a crash would.
 */
import { FsError } from '../core/errors.ts';
import { command } from './command.ts';
import { CommandFailure, perror } from './failure.ts';

export const shutdown = command({
  name: 'shutdown',
  survives: true,
  count: [0, 1],
  operands: '[-f]',
  about: 'stop using the image as a crash would: the log stays dirty',
  help: `Nothing more is written, and every later command fails. What was not made durable is lost; with -f what the log
gathered so far is written to it first.`,
  options: { f: { about: 'write the log first' } },
  once: true,
  expert: true,
  run(session, { options }): undefined {
    const { fs } = session.mount();
    if (fs.shutdown === undefined) throw perror('XFS_IOC_GOINGDOWN', new FsError('ENOTTY'));
    if (session.readOnly) throw perror('XFS_IOC_GOINGDOWN', new FsError('EROFS'));
    fs.shutdown(options.f);
  },
});

export const freeze = command({
  name: 'freeze',
  count: [0, 0],
  about: 'make everything durable; nobody else could change the image anyway',
  once: true,
  expert: true,
  run(session): undefined {
    session.mount().fs.sync();
  },
});

export const thaw = command({
  name: 'thaw',
  count: [0, 0],
  about: 'accepted: the end of freeze',
  once: true,
  expert: true,
  run: (): undefined => undefined,
});

/** Most blocks that Linux keeps back by itself. */
const MOST_RESERVED = 8192;

export const resblks = command({
  name: 'resblks',
  count: [0, 1],
  operands: '[blocks]',
  about: 'blocks that Linux keeps back while an image is mounted; setting them is accepted',
  plain: true,
  once: true,
  expert: true,
  xfsOnly: true,
  run(session, { operands }): { reserved: number } {
    const [word] = operands;
    if (word === undefined) return { reserved: Math.min(MOST_RESERVED, Math.floor(blocks(session) / 20)) };
    return { reserved: session.size(word, 'argument') };
  },
  text: ({ reserved }, out) => out.write(`reserved blocks = ${reserved}\navailable reserved blocks = ${reserved}\n`),
});

function blocks(session: Parameters<typeof resblks.run>[0]): number {
  const { fs } = session.mount();
  return new Map(fs.statfs().geometry).get('datablocks') ?? fs.statfs().blocks;
}

export const inject = command({
  name: 'inject',
  operands: '[tag...]',
  about: 'errors to be injected: there are none but noerror',
  plain: true,
  once: true,
  expert: true,
  xfsOnly: true,
  run(_session, { operands }): { tags: readonly string[] } | undefined {
    if (operands.length === 0) return { tags: ['noerror'] };
    const unknown = operands.find((tag) => tag !== 'noerror');
    if (unknown !== undefined)
      throw new CommandFailure(`no such tag -- ${unknown}`, { stream: 'stdout', silent: true });
    return undefined;
  },
  text: ({ tags }, out) => out.write(`tags: [ ${tags.join(', ')} ]\n`),
});
