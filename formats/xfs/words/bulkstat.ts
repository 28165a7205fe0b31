/** bulkstat, bulkstat_single, inumbers: all inodes of the image, in xfs_io's words (io/bulkstat.c). */
import { FsError, strerror } from '../../../core/errors.ts';
import { type OptionSpecs, says, WordFailure, word } from '../../../core/vfs/word.ts';
import { type Bulkstat, bulkstat, type InodeRange, inumbers } from '../inspect/bulkstat.ts';
import type { InodeGroup } from '../inspect/inode-walk.ts';
import type { XfsMount } from '../mount.ts';
import { mountOf } from './mount-of.ts';

const MAX_32 = 0xffffffff;
const MAX_64 = 0xffffffffffffffffn;
const BATCH = 4096;
/** Bits of a request's flags, as -d shows them. */
const RequestFlag = { AGNO: 1, SPECIAL: 2, NREXT64: 4 };

/** What is no number of an option ends the looking at the options where it stands, and xfs_io. */
function refusal(check: () => unknown): WordFailure | null {
  try {
    check();
    return null;
  } catch (error) {
    if (error instanceof WordFailure) return error;
    throw error;
  }
}

const not32 = (text: string) => refusal(() => unsigned(text, BigInt(MAX_32)));
const not64 = (text: string) => refusal(() => unsigned(text, MAX_64));
const notVersion = (text: string) => refusal(() => versionOf(text));

const VERSION = {
  d: { about: 'show the requests' },
  v: { value: 'version', kind: 'text', refuse: notVersion, about: 'the version of the ioctl, 1 or 5' },
} as const satisfies OptionSpecs;
const RANGE = {
  ...VERSION,
  a: { value: 'agno', kind: 'text', refuse: not32, about: 'only this allocation group' },
  e: { value: 'inode', kind: 'text', refuse: not64, about: 'the last inode to show' },
  n: { value: 'rows', kind: 'text', refuse: not32, about: 'rows at a time' },
  s: { value: 'inode', kind: 'text', refuse: not64, about: 'the first inode to show' },
} as const satisfies OptionSpecs;

interface RangeValues {
  readonly a: string | undefined;
  readonly d: boolean;
  readonly e: string | undefined;
  readonly n: string | undefined;
  readonly s: string | undefined;
  readonly v: string | undefined;
}

/** What one of the two walks is asked to do. */
interface Request {
  readonly range: InodeRange;
  readonly end: number;
  readonly rows: number;
  readonly version: 1 | 5;
  /** The version was asked for: where none was, xfs_io takes the first one if the fifth is refused. */
  readonly insists: boolean;
  readonly debug: boolean;
}

/** The chunks of inodes as the oldest call gave them. */
const imap = word({
  name: 'imap',
  count: [0, 1],
  operands: '[nentries]',
  about: 'the chunks of inodes, a line each',
  expert: true,
  plain: true,
  needsFile: true,
  *run(context, { operands }) {
    const entries = Number(/^\s*[+-]?\d+/.exec(operands[0] ?? '64')?.[0] ?? 0);
    if (entries < 0) throw new WordFailure(`alloc req: ${strerror('ENOMEM')}`);
    if (entries === 0) throw new WordFailure(`xfsctl(XFS_IOC_FSINUMBERS): ${strerror('EINVAL')}`);
    for (const { startino, allocLow, allocHigh, alloccount } of inumbers(mountOf(context), { start: 0, agno: null })) {
      const mask = ((BigInt(allocHigh) << 32n) | BigInt(allocLow)).toString(16).padStart(16, '0');
      const [ino, count] = [String(startino).padStart(10), String(alloccount).padStart(2)];
      yield says({ startino, alloccount, allocmask: `0x${mask}` }, [`ino ${ino} count ${count} mask ${mask}`]);
    }
  },
});

export const bulkstatWords = [
  imap,
  word({
    name: 'bulkstat',
    mildUsage: true,
    xfsIo: 'once',
    about: 'every inode in use, with what stat says of it',
    options: { ...RANGE, q: { about: 'no output' } },
    run(context, { options, operands }) {
      const request = requestOf(options);
      if (operands.length > 0) throw context.usage();
      const mp = mountOf(context);
      const flags = mp.features.nrext64 && request.version === 5 ? RequestFlag.NREXT64 : 0;
      const rows = asked('xfrog_bulkstat', mp, request, bulkstat);
      return inBatches(
        mp,
        request,
        flags,
        rows,
        ({ ino }) => [ino, ino + 1],
        (row) => (options.q ? null : inodeRow(row, request.version)),
      );
    },
  }),
  word({
    name: 'bulkstat_single',
    mildUsage: true,
    xfsIo: 'once',
    count: [1, Number.POSITIVE_INFINITY],
    operands: 'inode...',
    about: 'what stat says of one inode, or of the next one in use',
    help: 'An inode is a number, or the word root.',
    options: VERSION,
    run(context, { options, operands }) {
      if (operands.length === 0) throw context.usage();
      return singles(mountOf(context), versionOf(options.v), options.d, operands);
    },
  }),
  word({
    name: 'inumbers',
    mildUsage: true,
    xfsIo: 'once',
    about: 'the chunks of inodes, and which inodes of each are in use',
    options: RANGE,
    run(context, { options, operands }) {
      const request = requestOf(options);
      if (operands.length > 0) throw context.usage();
      const mp = mountOf(context);
      const rows = asked('xfrog_inumbers', mp, request, inumbers);
      return inBatches(
        mp,
        request,
        0,
        rows,
        ({ startino }) => [startino, startino + 64],
        (row) => groupRow(row, request.version),
      );
    },
  }),
] as const;

function requestOf(options: RangeValues): Request {
  const number = (text: string | undefined, most: bigint, absent: number) =>
    text === undefined ? absent : unsigned(text, most);
  const agno = options.a === undefined ? null : unsigned(options.a, BigInt(MAX_32));
  return {
    range: { agno, start: number(options.s, MAX_64, 0) },
    end: number(options.e, MAX_64, Number.MAX_SAFE_INTEGER),
    rows: number(options.n, BigInt(MAX_32), BATCH),
    version: versionOf(options.v),
    insists: options.v !== undefined,
    debug: options.d,
  };
}

/** An unsigned decimal number; beyond 2^53 there are no inodes here, so the largest number stands for all of those. */
function unsigned(text: string, most: bigint): number {
  const digits = /^\s*([+-]?)(\d+)$/.exec(text);
  const size = digits === null ? most + 1n : BigInt(digits[2] as string);
  // A sign turns it round within 64 bits, as in C.
  const value = digits?.[1] === '-' && size <= MAX_64 ? BigInt.asUintN(64, -size) : size;
  if (value > most) throw new WordFailure(`${text}: ${strerror('ERANGE')}`, 'stderr', true, true);
  return Number(value > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : value);
}

function versionOf(text: string | undefined): 1 | 5 {
  const version = text === undefined ? 5 : unsigned(text, BigInt(MAX_32));
  if (version !== 1 && version !== 5) throw new WordFailure('version must be 1 or 5.', 'stderr', true, true);
  return version;
}

/** The rows of a walk; what Linux would refuse is refused in the words of xfs_io's library. */
function* asked<R>(
  name: string,
  mp: XfsMount,
  { range, rows, version, insists }: Request,
  walk: (mp: XfsMount, range: InodeRange) => Generator<R>,
): Generator<R> {
  try {
    const noGroup = range.agno !== null && range.agno >= mp.agCount;
    if (rows === 0 || (noGroup && insists && version === 5)) throw new FsError('EINVAL');
    yield* walk(mp, range);
  } catch (error) {
    if (error instanceof FsError && error.code === 'EINVAL') throw new WordFailure(`${name}: ${strerror('EINVAL')}`);
    throw error;
  }
}

/** Shows the rows up to the last inode asked for; -d heads each batch with the request that brought it. */
function* inBatches<R, W>(
  mp: XfsMount,
  request: Request,
  flags: number,
  rows: Generator<R>,
  place: (row: R) => [first: number, next: number],
  show: (row: R) => W | null,
) {
  if (!request.debug) {
    for (const row of rows) {
      if (place(row)[0] > request.end) return;
      const result = show(row);
      if (result !== null) yield result;
    }
    return;
  }
  const { agno, start } = request.range;
  const bits = flags | (agno === null ? 0 : RequestFlag.AGNO);
  let cursor = agno !== null && start === 0 ? mp.agInoToIno(agno, 0) : start;
  let more = true;
  while (more) {
    const batch: R[] = [];
    while (batch.length < request.rows) {
      const next = rows.next();
      if (next.done === true) break;
      batch.push(next.value);
      cursor = place(next.value)[1];
    }
    more = batch.length > 0;
    // The first version of the ioctl, where it is called, says which inode was the last.
    const lastSaid = !more && request.version === 1 && (agno ?? 0) < mp.agCount;
    const shown = lastSaid ? cursor - 1 : cursor;
    const head = `startino=${shown} flags=0x${bits.toString(16)} agno=${agno ?? 0} ret=0`;
    yield says({ request: { startino: shown, flags: bits, agno: agno ?? 0, ocount: batch.length } }, [
      `bulkstat: ${head} icount=${request.rows} ocount=${batch.length}`,
    ]);
    for (const row of batch) {
      const result = place(row)[0] > request.end ? null : show(row);
      if (result !== null) yield result;
    }
  }
}

function* singles(mp: XfsMount, version: 1 | 5, debug: boolean, words: readonly string[]) {
  const failed: string[] = [];
  for (const text of words) {
    const root = text === 'root';
    const special = root && version === 5;
    const start = root ? mp.rootIno : Number(/^\s*\+?(\d+)/.exec(text)?.[1] ?? 0);
    // The first version of the ioctl knows no names and takes only inodes that are in use.
    const [row] = root && version === 1 ? [] : bulkstat(mp, { start, agno: null });
    if (row === undefined || (version === 1 && row.ino !== start)) {
      failed.push(`xfrog_bulkstat_single: ${strerror('EINVAL')}`);
      continue;
    }
    if (debug) {
      const flags = special ? RequestFlag.SPECIAL : 0;
      const asked = special ? 1 : start;
      yield says({ request: { startino: asked, flags } }, [
        `bulkstat_single: startino=${asked} flags=0x${flags.toString(16)} ret=0`,
      ]);
    }
    yield inodeRow(row, version);
  }
  if (failed.length > 0) throw new WordFailure(failed.join('\n'), 'stderr', true);
}

function inodeRow(row: Bulkstat, version: 1 | 5) {
  const field = (name: string, value: string | number) => `\tbs_${name} = ${value}`;
  const hex = (value: number) => `0x${value.toString(16)}`;
  return says({ ...row, version }, [
    `bs_ino = ${row.ino}`,
    field('size', String(row.size)),
    field('blocks', row.blocks),
    field('xflags', hex(row.xflags)),
    field('atime', row.atime),
    field('ctime', row.ctime),
    field('mtime', row.mtime),
    field('btime', version === 1 ? '0.0' : row.btime),
    field('gen', hex(row.gen)),
    field('uid', row.uid),
    field('gid', row.gid),
    field('projectid', row.projectid),
    field('blksize', row.blksize),
    field('rdev', row.rdev),
    field('cowextsize_blks', row.cowextsizeBlks),
    field('extsize_blks', row.extsizeBlks),
    field('nlink', row.nlink),
    field('extents', 0),
    field('aextents', row.aextents),
    field('version', version),
    field('forkoff', row.forkoff),
    field('sick', '0x0'),
    field('checked', '0x0'),
    field('mode', `0${row.mode.toString(8)}`),
    field('extents64', row.extents),
  ]);
}

function groupRow({ startino, allocLow, allocHigh, alloccount }: InodeGroup, version: 1 | 5) {
  const mask = `0x${((BigInt(allocHigh) << 32n) | BigInt(allocLow)).toString(16)}`;
  return says({ startino, allocmask: mask, alloccount, version }, [
    `xi_startino = ${startino}`,
    `\txi_allocmask = ${mask}`,
    `\txi_alloccount = ${alloccount}`,
    `\txi_version = ${version}`,
  ]);
}
