/** All groups of one kind (data, metadata, system, or data and metadata mixed), and the sums over them. */
import type { BlockGroup } from './block-group.ts';

export class SpaceKind {
  /** BlockGroupFlag bits of what it holds; no profile. */
  readonly flags: number;
  /** Ascending by address. */
  readonly groups: BlockGroup[] = [];
  /** Bytes that may be allocated in all groups. */
  freeBytes = 0;
  /** Bytes promised to running operations and to dirty pages. */
  reserved = 0;
  /** A chunk was wanted and the devices had no room (kernel: space_info->full). */
  full = false;
  /** The address behind the last allocation. */
  last = 0;

  constructor(flags: number) {
    this.flags = flags;
  }

  add(group: BlockGroup): void {
    let at = this.groups.length;
    while (at > 0 && (this.groups[at - 1] as BlockGroup).start > group.start) at--;
    this.groups.splice(at, 0, group);
    this.freeBytes += group.freeBytes;
    this.full = false;
  }

  remove(group: BlockGroup): void {
    this.groups.splice(this.groups.indexOf(group), 1);
    this.full = false;
  }

  /** Bytes of all groups, and of extents in them. */
  get totalBytes(): number {
    return this.groups.reduce((sum, group) => sum + group.length, 0);
  }

  get usedBytes(): number {
    return this.groups.reduce((sum, group) => sum + group.used, 0);
  }

  /** Index of the group that holds an address, or of the one after it. */
  indexOf(bytenr: number): number {
    let low = 0;
    let high = this.groups.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.groups[middle] as BlockGroup).end <= bytenr) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
