/**
 * An independent look at the free space, inode, rmap and refcount structures of an image in memory: walks each btree
 * through its blocks (not through the cursor's search) and compares what the trees, the free list and the counters
 * say about each other. Answers what disagrees.
 */
import type { Buf } from '../../core/buffer-cache.ts';
import { agflSize } from '../../formats/xfs/alloc/agfl.ts';
import type { BtreeCursor } from '../../formats/xfs/btree/cursor.ts';
import { bnobtCursor, cntbtCursor } from '../../formats/xfs/btree/free-space.ts';
import { finobtCursor, inobtCursor } from '../../formats/xfs/btree/inode.ts';
import { keyOfBlock } from '../../formats/xfs/btree/keys.ts';
import { refcountbtCursor } from '../../formats/xfs/btree/refcount.ts';
import { rmapbtCursor } from '../../formats/xfs/btree/rmap.ts';
import type { XfsMount } from '../../formats/xfs/mount.ts';
import { Agf, Agfl, Agi } from '../../formats/xfs/structure/ag.ts';
import { Superblock } from '../../formats/xfs/structure/sb.ts';

/** What one tree looks like. */
export interface TreeShape {
  readonly levels: number;
  readonly blocks: number[];
  readonly records: number;
}

/** Walks a tree top down and complains about keys, siblings, levels and fill. */
export function checkTree<R, K>(
  cursor: BtreeCursor<R, K>,
  complaints: string[],
  visit: (record: R) => void = () => {},
): TreeShape {
  const { kind } = cursor;
  cursor.readRoot();
  const top = cursor.levels - 1;
  const blocks: number[] = [];
  const previous: (Buf | null)[] = [];
  const expectedRight: number[] = [];
  let records = 0;
  const say = (text: string): void => {
    complaints.push(`${kind.name} AG ${cursor.agno}: ${text}`);
  };
  const key = new DataView(new ArrayBuffer(64));
  const walk = (buf: Buf, level: number, pointer: number): void => {
    cursor.bufs[level] = buf;
    const count = cursor.count(level);
    const fork = cursor.inFork(level);
    if (!fork) {
      blocks.push(pointer);
      const left = previous[level] ?? null;
      const leftPointer = left === null ? -1 : (expectedRight[level] as number);
      if (cursor.leftSibling(buf) !== leftPointer)
        say(`block ${pointer} has left ${cursor.leftSibling(buf)}, not ${leftPointer}`);
      if (left !== null && cursor.rightSibling(left) !== pointer)
        say(`block ${leftPointer} has not ${pointer} to the right`);
      previous[level] = buf;
      expectedRight[level] = pointer;
      if (level < top && count < cursor.minRecords(level) && top > 0 && !(cursor.inode !== null && level === top - 1))
        say(`block ${pointer} of level ${level} has ${count} < ${cursor.minRecords(level)}`);
    }
    if (level === 0) {
      for (let slot = 0; slot < count; slot++) {
        cursor.slots[0] = slot;
        visit(cursor.get());
        records++;
        if (slot === 0) continue;
        const before = kind.createRecord();
        kind.decode(buf.view, cursor.recordAt(slot - 1), before);
        kind.setKeyOfRecord(cursor, before);
        if (kind.compareRecord(buf.view, cursor.recordAt(slot), cursor) <= 0)
          say(`block ${pointer} record ${slot} out of order`);
      }
      return;
    }
    for (let slot = 0; slot < count; slot++) {
      cursor.bufs[level] = buf;
      cursor.slots[level] = slot;
      const child = cursor.pointer(level);
      const childBuf = cursor.readBlock(child, level - 1);
      keyOfBlock(cursor, childBuf, level - 1, key, 0);
      const at = cursor.keyAt(level, slot);
      for (let i = 0; i < cursor.nodeKeySize; i++)
        if (buf.view.getUint8(at + i) !== key.getUint8(i)) {
          say(`level ${level} key ${slot} is not that of block ${child}`);
          break;
        }
      walk(childBuf, level - 1, child);
    }
  };
  const root = cursor.bufs[top] as Buf;
  const rootPointer = cursor.inode !== null ? -1 : (cursor.agBuf as Buf).view.getUint32(kind.rootAt);
  walk(root, top, rootPointer);
  for (let level = 0; level <= top; level++) {
    const last = previous[level] ?? null;
    if (last !== null && cursor.rightSibling(last) !== -1) say(`the last block of level ${level} has a right sibling`);
  }
  return { levels: cursor.levels, blocks, records };
}

/** Every disagreement among the space structures of a mount. */
export function checkSpace(mp: XfsMount): string[] {
  const out: string[] = [];
  let free = 0;
  let inodes = 0;
  let freeInodes = 0;
  for (let agno = 0; agno < mp.agCount; agno++) {
    const result = checkAg(mp, agno, out);
    free += result.free;
    inodes += result.inodes;
    freeInodes += result.freeInodes;
  }
  const { view } = mp.sbBuf;
  const expect = (name: string, found: number, wanted: number): void => {
    if (found !== wanted) out.push(`superblock ${name} is ${found}, not ${wanted}`);
  };
  expect('fdblocks', Superblock.get.fdblocks(view, 0), free);
  expect('icount', Superblock.get.icount(view, 0), inodes);
  expect('ifree', Superblock.get.ifree(view, 0), freeInodes);
  return out;
}

function checkAg(mp: XfsMount, agno: number, out: string[]) {
  const agf = mp.agf(agno).view;
  const agi = mp.agi(agno).view;
  const say = (text: string): void => {
    out.push(`AG ${agno}: ${text}`);
  };
  const expect = (name: string, found: number, wanted: number): void => {
    if (found !== wanted) say(`${name} is ${found}, not ${wanted}`);
  };
  /** 0 used, 1 free, 2 free list, 3 btree. */
  const state = new Uint8Array(mp.agSize(agno));
  const mark = (start: number, length: number, value: number): void => {
    for (let block = start; block < start + length; block++) {
      if (state[block] !== 0) say(`block ${block} is ${value} and ${state[block]}`);
      state[block] = value;
    }
  };
  let free = 0;
  let longest = 0;
  let end = -1;
  const sizes = new Map<number, number>();
  const bno = checkTree(bnobtCursor(mp, agno), out, ({ startblock, blockcount }) => {
    if (startblock <= end) say(`free extent ${startblock} touches the one before`);
    end = startblock + blockcount;
    free += blockcount;
    longest = Math.max(longest, blockcount);
    sizes.set(startblock, blockcount);
    mark(startblock, blockcount, 1);
  });
  const cnt = checkTree(cntbtCursor(mp, agno), out, ({ startblock, blockcount }) => {
    if (sizes.get(startblock) !== blockcount)
      say(`cntbt has ${startblock} length ${blockcount}, bnobt ${sizes.get(startblock)}`);
    sizes.delete(startblock);
  });
  if (sizes.size > 0) say(`${sizes.size} extents only in bnobt`);
  expect('freeblks', Agf.get.freeblks(agf, 0), free);
  expect('longest', Agf.get.longest(agf, 0), longest);
  for (const block of [...bno.blocks, ...cnt.blocks]) mark(block, 1, 3);
  let treeBlocks = bno.blocks.length + cnt.blocks.length - 2;
  if (mp.features.rmapbt) {
    const rmap = checkTree(rmapbtCursor(mp, agno), out);
    expect('rmap_blocks', Agf.get.rmap_blocks(agf, 0), rmap.blocks.length);
    for (const block of rmap.blocks) mark(block, 1, 3);
    treeBlocks += rmap.blocks.length - 1;
  }
  expect('btreeblks', Agf.get.btreeblks(agf, 0), treeBlocks);
  const listed = Agf.get.flcount(agf, 0);
  const agfl = mp.agfl(agno).view;
  for (let i = 0, slot = Agf.get.flfirst(agf, 0); i < listed; i++, slot = (slot + 1) % agflSize(mp))
    mark(agfl.getUint32((mp.features.v5 ? Agfl.size : 0) + slot * 4), 1, 2);
  if (mp.features.reflink) {
    let last = -1;
    const refc = checkTree(refcountbtCursor(mp, agno), out, ({ startblock, blockcount, cow }) => {
      const key = startblock + (cow ? 2 ** 31 : 0);
      if (key < last) say(`refcount extent ${startblock} overlaps the one before`);
      last = key + blockcount;
    });
    expect('refcount_blocks', Agf.get.refcount_blocks(agf, 0), refc.blocks.length);
    for (const block of refc.blocks) mark(block, 1, 3);
  }
  const { inodes, freeInodes } = checkInodes(mp, agno, out, mark);
  expect('agi count', Agi.get.count(agi, 0), inodes);
  expect('agi freecount', Agi.get.freecount(agi, 0), freeInodes);
  return { free: free + listed + treeBlocks, inodes, freeInodes };
}

function checkInodes(
  mp: XfsMount,
  agno: number,
  out: string[],
  mark: (start: number, length: number, value: number) => void,
) {
  const agi = mp.agi(agno).view;
  let inodes = 0;
  let freeInodes = 0;
  const partlyFree = new Map<number, string>();
  const all = checkTree(inobtCursor(mp, agno), out, (record) => {
    inodes += record.count;
    freeInodes += record.freecount;
    if (record.freecount > 0) partlyFree.set(record.startino, JSON.stringify(record));
  });
  for (const block of all.blocks) mark(block, 1, 3);
  if (!mp.features.finobt) return { inodes, freeInodes };
  const free = checkTree(finobtCursor(mp, agno), out, (record) => {
    if (partlyFree.get(record.startino) !== JSON.stringify(record))
      out.push(`AG ${agno}: finobt chunk ${record.startino} differs`);
    partlyFree.delete(record.startino);
  });
  for (const block of free.blocks) mark(block, 1, 3);
  if (partlyFree.size > 0) out.push(`AG ${agno}: ${partlyFree.size} chunks missing in finobt`);
  if (mp.features.inobtCounts) {
    if (Agi.get.iblocks(agi, 0) !== all.blocks.length)
      out.push(`AG ${agno}: iblocks is ${Agi.get.iblocks(agi, 0)}, not ${all.blocks.length}`);
    if (Agi.get.fblocks(agi, 0) !== free.blocks.length)
      out.push(`AG ${agno}: fblocks is ${Agi.get.fblocks(agi, 0)}, not ${free.blocks.length}`);
  }
  return { inodes, freeInodes };
}
