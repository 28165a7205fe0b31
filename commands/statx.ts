/** statx: what statx(2) tells of the open file (xfs_io's io/stat.c). */
import { FsError } from '../core/errors.ts';
import type { Stat } from '../core/vfs/inode.ts';
import { command, usageLine } from './command.ts';
import { CommandFailure } from './failure.ts';
import { fullMode } from './mode.ts';
import { type FileStat, stat, statOpen } from './stat.ts';
import { parseInteger } from './words.ts';
import { Xflag } from './xflags.ts';

/** STATX_* that Linux answers: the birth time when it is asked for, all else always. */
const Mask = { CHANGES: 0xc0, BASIC: 0x7ff, BTIME: 0x800, MNT_ID: 0x1000, SUBVOL: 0x8000, RESERVED: 2 ** 31 } as const;
const ALL = Mask.BASIC | Mask.BTIME;
const Attribute = {
  COMPRESSED: 0x4,
  IMMUTABLE: 0x10,
  APPEND: 0x20,
  NODUMP: 0x40,
  ENCRYPTED: 0x800,
  VERITY: 0x100000,
  DAX: 0x200000,
} as const;
/** What of these a file system says it knows, with automount (0x1000) and mount root (0x2000). */
const ATTRIBUTES_MASK = 0x203070;
/** Attributes that FS_*_FL have a bit of. */
const BY_FSFLAG: readonly (readonly [flag: number, attribute: number])[] = [
  [0x4, Attribute.COMPRESSED],
  [0x800, Attribute.ENCRYPTED],
  [0x100000, Attribute.VERITY],
];

interface Raw {
  readonly raw: Stat;
  readonly mask: number;
}

function maskOf(word = 'all'): number {
  if (word === 'all' || word === 'basic') return word === 'all' ? ALL : Mask.BASIC;
  return parseInteger(word) ?? 0;
}

/** What is no mask ends the looking at the options where it stands. */
function notMask(word: string): CommandFailure | null {
  if (word === 'all' || word === 'basic' || parseInteger(word) !== null) return null;
  return new CommandFailure(`non-numeric mask -- ${word}`, { stream: 'stdout' });
}

export const statx = command({
  name: 'statx',
  about: 'what statx(2) tells of the open file',
  options: {
    D: { about: 'accepted' },
    F: { about: 'accepted' },
    m: { value: 'mask', kind: 'text', refuse: notMask, about: 'which fields: basic, all (the default) or a number' },
    r: { about: 'every field' },
    v: { about: 'with times' },
  },
  *run(session, { options }): Generator<Raw | FileStat> {
    const asked = maskOf(options.m);
    if (options.r && options.v) throw new CommandFailure(usageLine(statx), { stream: 'stdout', silent: true });
    // As in xfs_io, what failed before is forgotten.
    if (!session.strict) session.exitCode = 0;
    if (asked >= Mask.RESERVED) throw new FsError('EINVAL');
    const inode = session.file().named;
    const found = inode.stat();
    // btrfs tells the birth time unasked.
    const asksBirth = (asked & Mask.BTIME) !== 0 || inode.subvolume !== undefined;
    const born = asksBirth && found.btime !== null;
    // Times of change that nobody asks for are left out: telling them would make the next change a finer one.
    const changes = (asked & Mask.CHANGES) !== 0;
    const never = { seconds: 0, nanoseconds: 0 };
    if (options.r) {
      yield {
        raw: {
          ...found,
          btime: born ? found.btime : null,
          ...(changes ? {} : { mtime: never, ctime: never }),
        },
        mask:
          (changes ? Mask.BASIC : Mask.BASIC & ~Mask.CHANGES) |
          Mask.MNT_ID |
          (born ? Mask.BTIME : 0) |
          (inode.subvolume === undefined ? 0 : Mask.SUBVOL),
      };
      return;
    }
    yield* statOpen(session, { r: false, v: options.v, birth: born });
  },
  text(result, out) {
    if (!('raw' in result)) {
      stat.text?.(result, out);
      return;
    }
    const { raw: st, mask } = result;
    out.write(`stat.mask = 0x${mask.toString(16)}\nstat.blksize = ${st.blockSize}\n`);
    out.write(`stat.attributes = 0x${attributesOf(st).toString(16)}\nstat.nlink = ${st.nlink}\n`);
    out.write(`stat.uid = ${st.uid}\nstat.gid = ${st.gid}\nstat.mode: 0${fullMode(st).toString(8)}\n`);
    out.write(`stat.ino = ${st.ino}\nstat.size = ${st.size}\nstat.blocks = ${st.blocks}\n`);
    const known = ATTRIBUTES_MASK | (st.fsflags === undefined ? 0 : (st.attributes ?? Attribute.COMPRESSED));
    out.write(`stat.attributes_mask = 0x${known.toString(16)}\n`);
    for (const name of ['atime', 'btime', 'ctime', 'mtime'] as const) {
      const time = st[name] ?? { seconds: 0, nanoseconds: 0 };
      out.write(`stat.${name}.tv_sec = ${time.seconds}\nstat.${name}.tv_nsec = ${time.nanoseconds}\n`);
    }
    out.write(`stat.rdev_major = ${st.rdev?.major ?? 0}\nstat.rdev_minor = ${st.rdev?.minor ?? 0}\n`);
    out.write('stat.dev_major = 0\nstat.dev_minor = 0\n');
  },
});

function attributesOf({ xflags, fsflags = 0, attributes: told = Attribute.COMPRESSED }: Stat): number {
  let attributes = 0;
  for (const [flag, attribute] of BY_FSFLAG) if ((fsflags & flag) !== 0) attributes |= attribute & told;
  if ((xflags & Xflag.IMMUTABLE) !== 0) attributes |= Attribute.IMMUTABLE;
  if ((xflags & Xflag.APPEND) !== 0) attributes |= Attribute.APPEND;
  if ((xflags & Xflag.NODUMP) !== 0) attributes |= Attribute.NODUMP;
  if ((xflags & Xflag.DAX) !== 0) attributes |= Attribute.DAX;
  return attributes;
}
