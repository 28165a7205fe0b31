/** fsync, fdatasync, sync, syncfs, sync_range: what makes changes durable. */
import { FsError } from '../core/errors.ts';
import { writeback } from '../core/iomap/writeback.ts';
import { exactPos } from '../core/positions.ts';
import { command, usage } from './command.ts';

export const fsync = command({
  name: 'fsync',
  alias: 's',
  count: [0, 0],
  about: 'write the file back and make it durable',
  run(session): undefined {
    session.file().fsync(false);
  },
});

export const fdatasync = command({
  name: 'fdatasync',
  alias: 'ds',
  count: [0, 0],
  about: "write the file's data back and make it durable",
  run(session): undefined {
    session.file().fsync(true);
  },
});

export const sync = command({
  name: 'sync',
  count: [0, 0],
  needs: 'nothing',
  once: true,
  about: 'make everything durable',
  run(session): undefined {
    for (const mount of session.mounts) mount.fs.sync();
  },
});

export const syncfs = command({
  name: 'syncfs',
  count: [0, 0],
  about: "make the open file's whole image durable",
  run(session): undefined {
    const { inode } = session.file();
    inode.fs.sync();
  },
});

export const syncRange = command({
  name: 'sync_range',
  count: [2, Number.POSITIVE_INFINITY],
  operands: '[-abw] off len',
  about: "write a range of the file's pages back, without making it durable",
  options: {
    a: { about: 'wait for what is being written: nothing ever is' },
    b: { about: 'wait before writing' },
    w: { about: 'write (the default)' },
  },
  call: 'sync_file_range',
  run(session, args): undefined {
    if (args.operands.length !== 2) throw usage(syncRange);
    const { pos: offset, length, asked } = session.range(...(args.operands as [string, string]), 'loose');
    const { inode } = session.file();
    if (BigInt(exactPos(offset)) + BigInt(asked) >= 2n ** 63n) throw new FsError('EINVAL');
    const writes = (args.last('abw') ?? 'w') === 'w';
    if (writes && inode.kind === 'file') writeback(inode, offset, length === 0 ? inode.size : offset + length);
  },
});
