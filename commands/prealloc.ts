/** falloc, fpunch, fzero and their family: the space of a range of the open file (xfs_io's io/prealloc.c). */
import { FsError } from '../core/errors.ts';
import type { FallocMode } from '../core/vfs/inode.ts';
import { command, usage } from './command.ts';
import { CommandFailure, perror } from './failure.ts';
import type { Session } from './session.ts';

/** What makes a file longer, if its size is not to be kept. */
const GROWS: readonly FallocMode[] = ['allocate', 'insert', 'zero'];

/** fallocate(2) on the open file; a range given as two words. */
function allocate(
  session: Session,
  mode: FallocMode,
  off: string,
  len: string,
  keepSize: boolean,
  onlyFiles = false,
): void {
  // Where a file may end with the range, that must be a position as well.
  const { pos, length } = session.range(off, len, GROWS.includes(mode) && !keepSize ? 'exact' : 'loose');
  const file = session.file();
  // The older calls are ioctls, which only regular files know.
  if (onlyFiles && file.inode.kind !== 'file') throw new FsError('ENOTTY');
  if (length === 0) throw new FsError('EINVAL');
  if (file.flags.readOnly) throw new FsError('EBADF');
  file.inode.fallocate(mode, pos, length, keepSize);
  file.file.changed();
}

/** A command `NAME off len` that does one thing to the range. */
function rangeCommand(name: string, call: string, about: string, mode: FallocMode, keepSize = false, xfsOnly = false) {
  return command({
    name,
    ...(xfsOnly ? { xfsOnly } : {}),
    count: [2, 2],
    operands: 'off len',
    about,
    plain: true,
    call,
    run(session, { operands }): undefined {
      const [off, len] = operands as [string, string];
      allocate(session, mode, off, len, keepSize, call.startsWith('XFS_IOC'));
    },
  });
}

export const fpunch = rangeCommand('fpunch', 'fallocate', 'make a range a hole', 'punch', true);
export const fcollapse = rangeCommand('fcollapse', 'fallocate', 'cut a range out of the file', 'collapse');
export const finsert = rangeCommand('finsert', 'fallocate', 'insert a hole, moving up what follows', 'insert');
export const funshare = command({
  name: 'funshare',
  mildUsage: true,
  lenient: true,
  count: [2, 2],
  operands: 'off len',
  about: 'give a range blocks of its own',
  options: {},
  call: 'fallocate',
  run(session, { operands }): undefined {
    if (operands.length !== 2) throw usage(funshare);
    const [off, len] = operands as [string, string];
    allocate(session, 'unshare', off, len, false);
  },
});
export const resvsp = rangeCommand('resvsp', 'XFS_IOC_RESVSP64', 'reserve blocks for a range', 'allocate', true);
export const unresvsp = rangeCommand(
  'unresvsp',
  'XFS_IOC_UNRESVSP64',
  'free the blocks of a range',
  'punch',
  true,
  true,
);
export const zero = rangeCommand('zero', 'XFS_IOC_ZERO_RANGE', 'make a range allocated zeros', 'zero', true, true);

const MODES: Readonly<Record<string, readonly [FallocMode, boolean]>> = {
  c: ['collapse', false],
  i: ['insert', false],
  k: ['allocate', true],
  p: ['punch', true],
  u: ['unshare', false],
};

export const falloc = command({
  name: 'falloc',
  lenient: true,
  count: [2, Number.POSITIVE_INFINITY],
  operands: 'off len',
  about: 'allocate blocks for a range',
  call: 'fallocate',
  options: {
    c: { about: 'cut the range out instead' },
    i: { about: 'insert a hole instead' },
    k: { about: 'leave the size of the file alone' },
    p: { about: 'make the range a hole instead' },
    u: { about: 'give the range blocks of its own' },
  },
  run(session, args): undefined {
    if (args.operands.length !== 2) throw usage(falloc);
    const [off, len] = args.operands as [string, string];
    const [mode, keepSize] = MODES[args.last('cikpu') ?? ''] ?? (['allocate', false] as const);
    allocate(session, mode, off, len, keepSize);
  },
});

export const fzero = command({
  name: 'fzero',
  mildUsage: true,
  lenient: true,
  count: [2, 3],
  operands: 'off len',
  about: 'make a range zeros, allocated',
  options: { k: { about: 'leave the size of the file alone' } },
  run(session, { options, operands }): undefined {
    if (operands.length !== 2) throw usage(fzero);
    const [off, len] = operands as [string, string];
    try {
      allocate(session, 'zero', off, len, options.k);
    } catch (error) {
      // Nothing that goes wrong here changes xfs_io's exit status.
      if (error instanceof FsError) throw perror('fallocate', error, { silent: true });
      throw error instanceof CommandFailure ? error.silenced() : error;
    }
  },
});
