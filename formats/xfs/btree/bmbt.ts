/** The extent btree of a file fork: long pointers, root in the inode; blocks come from the allocator. */
import { POS_END } from '../../../core/positions.ts';
import { allocForkBlock, freeForkBlock } from '../alloc/btree-blocks.ts';
import type { XfsInode } from '../inode.ts';
import {
  bmbtBlockcount,
  bmbtKey,
  bmbtStartblock,
  bmbtStartoff,
  bmbtUnwritten,
  copyBmbtKey,
  writeBmbt,
} from '../structure/bmbt-record.ts';
import { BMBT_RECORD_SIZE, BmbtKey, BtreeMagic } from '../structure/btree-format.ts';
import type { Trans } from '../trans.ts';
import { BtreeCursor, type BtreeFork } from './cursor.ts';
import type { BtreeKind } from './kind.ts';

/** One extent of a fork: file blocks (a label, core/positions.ts), and the device (or realtime) blocks behind them. */
export interface BmbtExtent {
  startoff: number;
  startblock: number;
  blockcount: number;
  unwritten: boolean;
}

/** What a record can name; space may be kept beyond the 2^63 bytes that a file can have. */
const MAX_FILE_BLOCKS = 2 ** 54;

function kind(realtime: boolean, blockLog: number): BtreeKind<BmbtExtent, number> {
  // As a label.
  const end = MAX_FILE_BLOCKS - (2 ** 63 - POS_END) / 2 ** blockLog;
  return {
    name: 'bmbt',
    magicV4: BtreeMagic.bmbt[0],
    magicV5: BtreeMagic.bmbt[1],
    recordSize: BMBT_RECORD_SIZE,
    lowKeySize: BmbtKey.size,
    overlapping: false,
    inodeRooted: true,
    rootAt: 0,
    levelAt: 0,
    createRecord: () => ({ startoff: 0, startblock: 0, blockcount: 0, unwritten: false }),
    setKey(search, key) {
      search.k0 = key;
    },
    setKeyOfRecord(search, record) {
      search.k0 = record.startoff;
    },
    compareRecord: (view, at, search) => bmbtStartoff(view, at, blockLog) - search.k0,
    compareKey: (view, at, search) => bmbtKey(view, at, blockLog) - search.k0,
    compareKeys: (a, aAt, b, bAt) => a.getUint32(aAt) - b.getUint32(bAt) || a.getUint32(aAt + 4) - b.getUint32(bAt + 4),
    decode(view, at, record) {
      record.startoff = bmbtStartoff(view, at, blockLog);
      record.startblock = bmbtStartblock(view, at);
      record.blockcount = bmbtBlockcount(view, at);
      record.unwritten = bmbtUnwritten(view, at);
    },
    encode(view, at, record) {
      const { startoff, startblock, blockcount, unwritten } = record;
      writeBmbt(view, at, startoff, startblock, blockcount, unwritten, blockLog);
    },
    check({ startoff, startblock, blockcount }, mp) {
      if (blockcount < 1) return 'extent of 0 blocks';
      if (startoff + blockcount > end) return `extent at file block ${startoff} is beyond any file`;
      const inside = realtime ? mp.validRtb(startblock, blockcount) : mp.validFsb(startblock, blockcount);
      return inside ? null : `extent of block ${startblock} length ${blockcount} is outside`;
    },
    keyOfRecord(view, at, into, keyAt) {
      copyBmbtKey(view, at, into, keyAt);
    },
    compareEnds: () => 0,
    highKeyOfRecord() {},
    allocBlock: (cursor, near) => allocForkBlock(cursor.trans(), cursor.inode as XfsInode, cursor.fork, near),
    freeBlock: (cursor, pointer) => freeForkBlock(cursor.trans(), cursor.inode as XfsInode, cursor.fork, pointer),
  };
}

/** By the block size's logarithm. */
const onData: BtreeKind<BmbtExtent, number>[] = [];
const onRealtime: BtreeKind<BmbtExtent, number>[] = [];

function kindOf(realtime: boolean, blockLog: number): BtreeKind<BmbtExtent, number> {
  const kinds = realtime ? onRealtime : onData;
  kinds[blockLog] ??= kind(realtime, blockLog);
  return kinds[blockLog] as BtreeKind<BmbtExtent, number>;
}

/** Extents of a fork in btree format. The key is a file block. */
export function bmbtCursor(inode: XfsInode, fork: BtreeFork, tp: Trans | null = null) {
  const realtime = fork === 'data' && inode.realtime;
  return new BtreeCursor<BmbtExtent>(kindOf(realtime, inode.mp.blockLog), inode.mp, tp, { inode, fork });
}
