/**
 * The items of one group in the free-space tree.
 *
 *     (start, FREE_SPACE_INFO, length)     how many free extents, and whether they stand in bitmaps
 *     (bytenr, FREE_SPACE_EXTENT, length)  a free extent; no data
 *     (bytenr, FREE_SPACE_BITMAP, length)  a bit a sector, set = free; at most 2048 sectors
 *
 * Extents turn into bitmaps when their items would take more room than the bitmaps', and back when there are a
 * hundred fewer. Free extents never touch each other. Mirrors free-space-tree.c.
 */
import { corrupt, type FsError } from '../../../core/errors.ts';
import type { BtrfsMount } from '../mount.ts';
import { ITEM_SIZE } from '../structure/block.ts';
import { FREE_SPACE_BITMAP_SIZE, FREE_SPACE_USING_BITMAPS, FreeSpaceInfo } from '../structure/chunk.ts';
import { ItemType, Key } from '../structure/key.ts';
import { TreeCursor } from '../tree/cursor.ts';
import type { TreeRoot } from '../tree/root.ts';
import type { BlockGroup } from './block-group.ts';
import { RangeSet } from './ranges.ts';

/** Sectors in one bitmap item. */
const BITMAP_BITS = FREE_SPACE_BITMAP_SIZE * 8;

/** Reads and changes a group's items; use it for one group and close it. */
export class FreeSpaceItems {
  private readonly mp: BtrfsMount;
  private readonly group: BlockGroup;
  private readonly cursor: TreeCursor;
  private readonly key = new Key();

  constructor(mp: BtrfsMount, group: BlockGroup, root: TreeRoot) {
    this.mp = mp;
    this.group = group;
    this.cursor = new TreeCursor(root);
  }

  close(): void {
    this.cursor.close();
  }

  /** Tells every free extent, ascending. @throws FsError EUCLEAN */
  read(visit: (start: number, length: number) => void): void {
    const { group, cursor } = this;
    this.seekInfo();
    let open = -1; // a run of set bits may go on in the next bitmap
    let openEnd = -1;
    const close = (): void => {
      if (open >= 0) visit(open, openEnd - open);
      open = -1;
    };
    while (cursor.next() && cursor.key.objectid < group.end) {
      const start = cursor.key.objectid;
      const length = cursor.key.offset;
      this.checkBounds(start, length);
      if (cursor.key.type === ItemType.FREE_SPACE_EXTENT) {
        close();
        visit(start, length);
        continue;
      }
      if (cursor.key.type !== ItemType.FREE_SPACE_BITMAP) throw this.bad('item type', cursor.key.type, 'unexpected');
      const sectors = length / this.mp.sectorSize;
      if (cursor.size < Math.ceil(sectors / 8)) throw this.bad('bitmap size', cursor.size, 'too short');
      for (let bit = 0; bit < sectors; bit++) {
        const set = ((cursor.view.getUint8(cursor.at + (bit >> 3)) >> (bit & 7)) & 1) === 1;
        const at = start + bit * this.mp.sectorSize;
        if (set && open >= 0 && openEnd === at) openEnd += this.mp.sectorSize;
        else {
          close();
          if (set) {
            open = at;
            openEnd = at + this.mp.sectorSize;
          }
        }
      }
    }
    close();
  }

  /** Makes the items of a new group, all of which is free. */
  create(): void {
    const { group, cursor } = this;
    cursor.insert(this.key.set(group.start, ItemType.FREE_SPACE_INFO, group.length), FreeSpaceInfo.size);
    FreeSpaceInfo.set.extent_count(cursor.view, cursor.at, 1);
    cursor.insert(this.key.set(group.start, ItemType.FREE_SPACE_EXTENT, group.length), 0);
  }

  /** Brings the items up to date: `lost` is no longer free, `gained` is. @throws FsError EUCLEAN */
  update(lost: RangeSet, gained: RangeSet): void {
    const { cursor } = this;
    this.seekInfo();
    const bitmaps = (FreeSpaceInfo.get.flags(cursor.view, cursor.at) & FREE_SPACE_USING_BITMAPS) !== 0;
    let change = 0;
    lost.forEach((start, length) => {
      change += bitmaps ? this.setBits(start, length, false) : this.removeExtent(start, length);
    });
    gained.forEach((start, length) => {
      change += bitmaps ? this.setBits(start, length, true) : this.addExtent(start, length);
    });
    if (change === 0) return;
    this.seekInfo();
    cursor.edit();
    const count = FreeSpaceInfo.get.extent_count(cursor.view, cursor.at) + change;
    FreeSpaceInfo.set.extent_count(cursor.view, cursor.at, count);
    const { high, low } = this.thresholds();
    if (!bitmaps && count > high) this.convert(true);
    else if (bitmaps && count < low) this.convert(false);
  }

  /** Extent items above `high` cost more than bitmaps; below `low` bitmaps are given up. */
  private thresholds(): { high: number; low: number } {
    const bitmaps = Math.ceil(this.group.length / (BITMAP_BITS * this.mp.sectorSize));
    const high = Math.floor((bitmaps * (ITEM_SIZE + FREE_SPACE_BITMAP_SIZE)) / ITEM_SIZE);
    return { high, low: high > 100 ? high - 100 : 0 };
  }

  /** Turns extents into bitmaps or bitmaps into extents. */
  private convert(toBitmaps: boolean): void {
    const { cursor, group, key } = this;
    const free = new RangeSet();
    this.read((start, length) => free.add(start, length));
    this.seekInfo();
    if (FreeSpaceInfo.get.extent_count(cursor.view, cursor.at) !== free.count) {
      throw this.bad('extent_count', FreeSpaceInfo.get.extent_count(cursor.view, cursor.at), `${free.count} found`);
    }
    cursor.edit();
    FreeSpaceInfo.set.flags(cursor.view, cursor.at, toBitmaps ? FREE_SPACE_USING_BITMAPS : 0);
    const type = toBitmaps ? ItemType.FREE_SPACE_EXTENT : ItemType.FREE_SPACE_BITMAP;
    cursor.search(key.set(group.start, type, 0));
    while (cursor.valid && cursor.key.objectid < group.end && cursor.key.type !== ItemType.FREE_SPACE_INFO) {
      cursor.delete();
    }
    if (toBitmaps) this.insertBitmaps(free);
    else {
      free.forEach((start, length) => {
        cursor.insert(key.set(start, ItemType.FREE_SPACE_EXTENT, length), 0);
      });
    }
  }

  private insertBitmaps(free: RangeSet): void {
    const { cursor, group, key } = this;
    const { sectorSize } = this.mp;
    const span = BITMAP_BITS * sectorSize;
    for (let start = group.start; start < group.end; start += span) {
      const length = Math.min(span, group.end - start);
      cursor.insert(key.set(start, ItemType.FREE_SPACE_BITMAP, length), Math.ceil(length / sectorSize / 8));
      const { view, at } = cursor;
      for (let from = start; from < start + length; ) {
        const range = free.findOverlap(from, start + length);
        if (range === null) break;
        const first = Math.max(range.start, start);
        const end = Math.min(range.start + range.length, start + length);
        writeBits(view, at, (first - start) / sectorSize, (end - start) / sectorSize, true);
        from = end;
      }
    }
  }

  /** Takes bytes out of the free extent that holds them. Returns how many more extents there are. */
  private removeExtent(start: number, length: number): number {
    const { cursor, key } = this;
    const end = start + length;
    cursor.searchBack(key.set(start, ItemType.FREE_SPACE_EXTENT, -1));
    if (!cursor.valid || cursor.key.type !== ItemType.FREE_SPACE_EXTENT) throw this.bad('bytenr', start, 'not free');
    const from = cursor.key.objectid;
    const to = from + cursor.key.offset;
    if (from > start || to < end) throw this.bad('bytenr', start, 'not free');
    if (from === start && to === end) {
      cursor.delete();
      return -1;
    }
    const [first, last] = from < start ? [from, start] : [end, to];
    cursor.setKey(key.set(first, ItemType.FREE_SPACE_EXTENT, last - first));
    if (from === start || to === end) return 0;
    cursor.insert(key.set(end, ItemType.FREE_SPACE_EXTENT, to - end), 0);
    return 1;
  }

  /** Adds free bytes, joining neighbours. Returns how many more extents there are. */
  private addExtent(start: number, length: number): number {
    const { cursor, key } = this;
    let from = start;
    let to = start + length;
    let change = 1;
    cursor.search(key.set(to, ItemType.FREE_SPACE_EXTENT, 0));
    if (this.isExtent() && cursor.key.objectid === to && to < this.group.end) {
      to += cursor.key.offset;
      cursor.delete();
      change--;
    }
    cursor.searchBack(key.set(start, ItemType.FREE_SPACE_EXTENT, -1));
    if (this.isExtent() && cursor.key.objectid >= this.group.start) {
      const end = cursor.key.objectid + cursor.key.offset;
      if (end > start) throw this.bad('bytenr', start, 'free already');
      if (end === start) {
        from = cursor.key.objectid;
        cursor.setKey(key.set(from, ItemType.FREE_SPACE_EXTENT, to - from));
        return change - 1;
      }
    }
    cursor.insert(key.set(from, ItemType.FREE_SPACE_EXTENT, to - from), 0);
    return change;
  }

  private isExtent(): boolean {
    return this.cursor.valid && this.cursor.key.type === ItemType.FREE_SPACE_EXTENT;
  }

  /** Sets or clears the bits of a range. Returns how many more free extents there are. */
  private setBits(start: number, length: number, free: boolean): number {
    const { cursor, group } = this;
    const { sectorSize } = this.mp;
    const end = start + length;
    const before = start > group.start && this.bitAt(start - sectorSize);
    const after = end < group.end && this.bitAt(end);
    for (let at = start; at < end; ) {
      this.seekBitmap(at);
      const first = cursor.key.objectid;
      const stop = Math.min(end, first + cursor.key.offset);
      cursor.edit();
      if (!writeBits(cursor.view, cursor.at, (at - first) / sectorSize, (stop - first) / sectorSize, free)) {
        throw this.bad('bytenr', at, free ? 'free already' : 'not free');
      }
      at = stop;
    }
    const joined = Number(before) + Number(after);
    return free ? 1 - joined : joined - 1;
  }

  private bitAt(addr: number): boolean {
    this.seekBitmap(addr);
    const bit = (addr - this.cursor.key.objectid) / this.mp.sectorSize;
    return ((this.cursor.view.getUint8(this.cursor.at + (bit >> 3)) >> (bit & 7)) & 1) === 1;
  }

  private seekBitmap(addr: number): void {
    const { cursor } = this;
    cursor.searchBack(this.key.set(addr, ItemType.FREE_SPACE_BITMAP, -1));
    const good =
      cursor.valid && cursor.key.type === ItemType.FREE_SPACE_BITMAP && addr < cursor.key.objectid + cursor.key.offset;
    if (!good) throw this.bad('bitmap', addr, 'missing');
  }

  private seekInfo(): void {
    const { group, cursor } = this;
    if (!cursor.search(this.key.set(group.start, ItemType.FREE_SPACE_INFO, group.length))) {
      throw this.bad('FREE_SPACE_INFO', group.start, 'missing');
    }
  }

  private checkBounds(start: number, length: number): void {
    const { group } = this;
    if (start < group.start || length <= 0 || start + length > group.end || length % this.mp.sectorSize !== 0) {
      throw this.bad('free extent', `${start}+${length}`, 'outside its block group');
    }
  }

  private bad(field: string, value: number | string, rule: string): FsError {
    return corrupt({ structure: `free space of block group ${this.group.start}`, field, value: String(value), rule });
  }
}

/** Sets or clears bits; false if one was so already. */
function writeBits(view: DataView, at: number, from: number, to: number, set: boolean): boolean {
  for (let bit = from; bit < to; ) {
    const byte = at + (bit >> 3);
    const old = view.getUint8(byte);
    if ((bit & 7) === 0 && to - bit >= 8) {
      if (old !== (set ? 0 : 255)) return false;
      view.setUint8(byte, set ? 255 : 0);
      bit += 8;
      continue;
    }
    const mask = 1 << (bit & 7);
    if (((old & mask) !== 0) === set) return false;
    view.setUint8(byte, old ^ mask);
    bit++;
  }
  return true;
}
