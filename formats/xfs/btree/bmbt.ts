/** The extent btree of a file fork: long pointers, root in the inode; blocks come from the allocator. */
import { readBe64, writeBe64 } from '../../../core/struct.ts';
import { allocForkBlock, freeForkBlock } from '../alloc/btree-blocks.ts';
import type { XfsInode } from '../inode.ts';
import { bmbtBlockcount, bmbtStartblock, bmbtStartoff, bmbtUnwritten, writeBmbt } from '../structure/bmbt-record.ts';
import { BMBT_RECORD_SIZE, BmbtKey, BtreeMagic } from '../structure/btree-format.ts';
import type { Trans } from '../trans.ts';
import { BtreeCursor, type BtreeFork } from './cursor.ts';
import type { BtreeKind } from './kind.ts';

/** One extent of a fork: file blocks, and the device (or realtime) blocks behind them. */
export interface BmbtExtent {
  startoff: number;
  startblock: number;
  blockcount: number;
  unwritten: boolean;
}

/** Linux stops at 2^63 bytes: no smaller block than 512 exists, so no file block is beyond this. */
const MAX_FILE_BLOCKS = 2 ** 54;

function kind(realtime: boolean): BtreeKind<BmbtExtent, number> {
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
    compareRecord: (view, at, search) => bmbtStartoff(view, at) - search.k0,
    compareKey: (view, at, search) => readBe64(view, at) - search.k0,
    compareKeys: (a, aAt, b, bAt) => readBe64(a, aAt) - readBe64(b, bAt),
    decode(view, at, record) {
      record.startoff = bmbtStartoff(view, at);
      record.startblock = bmbtStartblock(view, at);
      record.blockcount = bmbtBlockcount(view, at);
      record.unwritten = bmbtUnwritten(view, at);
    },
    encode(view, at, record) {
      writeBmbt(view, at, record.startoff, record.startblock, record.blockcount, record.unwritten);
    },
    check({ startoff, startblock, blockcount }, mp) {
      if (blockcount < 1) return 'extent of 0 blocks';
      if (startoff + blockcount > MAX_FILE_BLOCKS) return `extent at file block ${startoff} is beyond any file`;
      const inside = realtime ? mp.validRtb(startblock, blockcount) : mp.validFsb(startblock, blockcount);
      return inside ? null : `extent of block ${startblock} length ${blockcount} is outside`;
    },
    keyOfRecord(view, at, into, keyAt) {
      writeBe64(into, keyAt, bmbtStartoff(view, at));
    },
    compareEnds: () => 0,
    highKeyOfRecord() {},
    allocBlock: (cursor, near) => allocForkBlock(cursor.trans(), cursor.inode as XfsInode, cursor.fork, near),
    freeBlock: (cursor, pointer) => freeForkBlock(cursor.trans(), cursor.inode as XfsInode, cursor.fork, pointer),
  };
}

const onData = kind(false);
const onRealtime = kind(true);

/** Extents of a fork in btree format. The key is a file block. */
export function bmbtCursor(inode: XfsInode, fork: BtreeFork, tp: Trans | null = null) {
  const realtime = fork === 'data' && inode.realtime;
  return new BtreeCursor<BmbtExtent>(realtime ? onRealtime : onData, inode.mp, tp, { inode, fork });
}
