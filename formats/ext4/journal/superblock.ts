/** The superblock of a journal, and what follows from it (kernel: fs/jbd2/journal.c, journal_get_superblock). */
import { corrupt, FsError } from '../../../core/errors.ts';
import { crc32cRaw } from '../checksum.ts';
import {
  JOURNAL_CRC32C,
  JOURNAL_MAGIC,
  JournalBlockType,
  JournalCompat,
  JournalIncompat,
  JournalSuperblock,
} from '../structure/journal.ts';
import type { JournalArea } from './area.ts';

/** Fewer blocks than this are no journal: the part for fast commits must leave as many. */
const MIN_JOURNAL_BLOCKS = 1024;
const DEFAULT_FAST_COMMIT_BLOCKS = 256;

/** A journal that was opened: its superblock, and how its blocks are to be read. */
export interface Journal {
  readonly area: JournalArea;
  /** The first commit that may be in it. */
  readonly sequence: number;
  /** Where that begins; 0: nothing is to be replayed. */
  readonly start: number;
  /** The blocks of the ring: from `first` to before `last`. */
  readonly first: number;
  readonly last: number;
  /** The blocks behind the ring for fast commits: from `fastFirst` to before `fastEnd`; both 0 without any. */
  readonly fastFirst: number;
  readonly fastEnd: number;
  /** Blocks have numbers of 64 bits. */
  readonly wide: boolean;
  /** Of 1, whole transactions have a checksum; of 2 and 3, blocks. */
  readonly checksums: 0 | 1 | 2 | 3;
  /** The commit block does not wait for the others. */
  readonly asyncCommit: boolean;
  /** What checksums of blocks begin with. */
  readonly seed: number;
  readonly sb: Uint8Array;
}

/** Opens a journal. @throws FsError EUCLEAN damaged, EINVAL with features that nobody here knows */
export function openJournal(area: JournalArea): Journal {
  const sb = area.read(area.superBlock);
  const view = new DataView(sb.buffer);
  const { get } = JournalSuperblock;
  check(area, get.magic(view, 0) === JOURNAL_MAGIC, 'magic', `0x${get.magic(view, 0).toString(16)}`, 'magic');
  const type = get.blocktype(view, 0);
  const v2 = type === JournalBlockType.SUPERBLOCK_V2;
  check(area, v2 || type === JournalBlockType.SUPERBLOCK_V1, 'blocktype', type, 'is no superblock');
  const blockSize = get.blocksize(view, 0);
  check(area, blockSize === area.blockSize, 'blocksize', blockSize, `should be ${area.blockSize}`);
  const maxlen = get.maxlen(view, 0);
  check(area, maxlen <= area.blocks, 'maxlen', maxlen, `the journal has ${area.blocks} blocks`);
  const first = get.first(view, 0);
  check(area, first > 0 && first < maxlen, 'first', first, 'lies outside the journal');
  const compat = v2 ? get.feature_compat(view, 0) : 0;
  const incompat = v2 ? get.feature_incompat(view, 0) : 0;
  refuseUnknown(incompat, v2 ? get.feature_ro_compat(view, 0) : 0);
  const checksums = checksumVersion(area, compat, incompat);
  const uuid = get.uuid(view, 0);
  if (checksums >= 2) checkSum(area, sb, view);
  const start = get.start(view, 0);
  const fast = (incompat & JournalIncompat.FAST_COMMIT) !== 0;
  const wished = get.num_fc_blks(view, 0) || DEFAULT_FAST_COMMIT_BLOCKS;
  const last = fast && maxlen - wished >= MIN_JOURNAL_BLOCKS ? maxlen - wished : maxlen;
  return {
    area,
    sequence: get.sequence(view, 0),
    start,
    first,
    last,
    fastFirst: fast ? last + 1 : 0,
    fastEnd: fast ? maxlen : 0,
    wide: (incompat & JournalIncompat['64BIT']) !== 0,
    checksums,
    asyncCommit: (incompat & JournalIncompat.ASYNC_COMMIT) !== 0,
    seed: crc32cRaw(0xffffffff, uuid),
    sb: sb.subarray(0, JournalSuperblock.size),
  };
}

function refuseUnknown(incompat: number, roCompat: number): void {
  const known = Object.values(JournalIncompat).reduce((all, bit) => all | bit, 0);
  const unknown = (incompat & ~known) >>> 0;
  if (unknown === 0 && roCompat === 0) return;
  const bits = unknown === 0 ? `read-only-compatible 0x${roCompat.toString(16)}` : `0x${unknown.toString(16)}`;
  throw new FsError('EINVAL', { detail: `unknown features of the journal: ${bits}` });
}

function checksumVersion(area: JournalArea, compat: number, incompat: number): Journal['checksums'] {
  const v1 = (compat & JournalCompat.CHECKSUM) !== 0;
  const v2 = (incompat & JournalIncompat.CSUM_V2) !== 0;
  const v3 = (incompat & JournalIncompat.CSUM_V3) !== 0;
  check(
    area,
    Number(v1) + Number(v2) + Number(v3) <= 1,
    'feature_incompat',
    `0x${incompat.toString(16)}`,
    'two checksum versions',
  );
  return v3 ? 3 : v2 ? 2 : v1 ? 1 : 0;
}

function checkSum(area: JournalArea, sb: Uint8Array, view: DataView): void {
  const type = JournalSuperblock.get.checksum_type(view, 0);
  check(area, type === JOURNAL_CRC32C, 'checksum_type', type, `should be ${JOURNAL_CRC32C}`);
  const good = superblockChecksum(sb) === JournalSuperblock.get.checksum(view, 0);
  check(area, good, 'checksum', `0x${JournalSuperblock.get.checksum(view, 0).toString(16)}`, 'checksum');
}

/** The checksum that a journal's superblock should have. */
export function superblockChecksum(sb: Uint8Array): number {
  const copy = sb.slice(0, JournalSuperblock.size);
  copy.fill(0, JournalSuperblock.at.checksum, JournalSuperblock.at.checksum + 4);
  return crc32cRaw(0xffffffff, copy);
}

function check(
  area: JournalArea,
  good: boolean,
  field: keyof typeof JournalSuperblock.at,
  value: number | string,
  rule: string,
): void {
  if (good) return;
  const offset = JournalSuperblock.at[field];
  throw corrupt({
    structure: 'journal superblock',
    addr: area.addr(area.superBlock),
    offset,
    field,
    value: String(value),
    rule,
  });
}
