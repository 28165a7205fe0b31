/**
 * Data that were overwritten in place: files without checksums (chattr +C) keep their extents, so that no item tells of
 * it but the inode's times. Ranges of the file that both states have at the same logical address are compared.
 */
import type { StructureChange } from '../../../core/vfs/changes.ts';
import { FileExtent } from '../file-extent.ts';
import { readAt, seekExtent } from '../file-extents.ts';
import type { BtrfsMount } from '../mount.ts';
import { FileExtentType } from '../structure/file-extent.ts';
import { InodeFlag, InodeItem } from '../structure/inode.ts';
import { ItemType } from '../structure/key.ts';
import { TreeCursor } from '../tree/cursor.ts';
import type { TreeRoot } from '../tree/root.ts';
import type { ItemBytes } from './items.ts';

const PIECE = 1024 * 1024;

/** A run of a file that lies together on the disk, as it is. */
interface Run {
  readonly pos: number;
  readonly length: number;
  readonly logical: number;
}

/** The inodes that both states have, with other times, and whose data carry no checksums. */
export function withoutSums(old: ReadonlyMap<string, ItemBytes>, now: ReadonlyMap<string, ItemBytes>): number[] {
  const inodes: number[] = [];
  for (const [id, { key, view, at }] of now) {
    if (key.type !== ItemType.INODE_ITEM || !old.has(id)) continue;
    if ((InodeItem.get.flags(view, at) & InodeFlag.NODATASUM) !== 0) inodes.push(key.objectid);
  }
  return inodes;
}

/** Bytes of a file that differ at the same place on the disk. */
export function* dataChanges(
  title: string,
  ino: number,
  [was, old]: readonly [BtrfsMount, TreeRoot],
  [is, now]: readonly [BtrfsMount, TreeRoot],
): Generator<StructureChange> {
  const before = new Map<number, Run>();
  for (const run of runs(old, ino)) before.set(run.logical - run.pos, run);
  const structure = `${title} inode ${ino}`;
  for (const { pos, length, logical } of runs(now, ino)) {
    const other = before.get(logical - pos);
    if (other === undefined) continue;
    const start = Math.max(pos, other.pos);
    const end = Math.min(pos + length, other.pos + other.length);
    for (const range of differences(was, is, logical + start - pos, end - start))
      yield { structure, change: 'data', addr: null, start: start + range.start, length: range.length };
  }
}

/** Extents written as they are; neighbours on the disk and in the file become one. */
function* runs(root: TreeRoot, ino: number): Generator<Run> {
  const extent = new FileExtent();
  const cursor = new TreeCursor(root);
  let last: Run = { pos: 0, length: 0, logical: 0 };
  try {
    let more = seekExtent(cursor, ino, 0, extent);
    for (; more; more = cursor.next() && readAt(cursor, ino, extent)) {
      const { type, bytenr, compression, encoded, pos, length } = extent;
      if (type !== FileExtentType.REG || bytenr === 0 || compression !== 0 || encoded) continue;
      const logical = bytenr + extent.offset;
      if (last.length > 0 && last.pos + last.length === pos && last.logical + last.length === logical) {
        last = { ...last, length: last.length + length };
        continue;
      }
      if (last.length > 0) yield last;
      last = { pos, length, logical };
    }
    if (last.length > 0) yield last;
  } finally {
    cursor.close();
  }
}

/** Ranges of differing bytes, from the first to the last of neighbouring sectors that differ. */
function* differences(
  was: BtrfsMount,
  is: BtrfsMount,
  logical: number,
  length: number,
): Generator<{ start: number; length: number }> {
  const { sectorSize } = is;
  let start = -1;
  let end = -1;
  for (let done = 0; done < length; done += PIECE) {
    const count = Math.min(PIECE, length - done);
    const [a, b] = [was, is].map((mp) => {
      const bytes = Buffer.alloc(count);
      mp.space.raw.read(logical + done, bytes);
      return bytes;
    }) as [Buffer, Buffer];
    if (a.equals(b)) continue;
    for (let at = 0; at < count; at += sectorSize) {
      const stop = Math.min(at + sectorSize, count);
      if (a.compare(b, at, stop, at, stop) === 0) continue;
      let first = at;
      while (a[first] === b[first]) first++;
      let last = stop - 1;
      while (a[last] === b[last]) last--;
      // Sectors that touch belong together, whatever is the same in between.
      if (start >= 0 && done + at > Math.ceil(end / sectorSize) * sectorSize) {
        yield { start, length: end - start };
        start = -1;
      }
      if (start < 0) start = done + first;
      end = done + last + 1;
    }
  }
  if (start >= 0) yield { start, length: end - start };
}
