/**
 * Space: who may write where. All block groups of a file system, allocation from them, new chunks when they are full,
 * and what a commit must write of all this.
 *
 * An extent's life: allocData/allocMeta take it out of its group's free ranges; used(+) says that its item is in the
 * extent tree; used(-) that the item is gone; freed() that the commit without it is on disk and its place may be
 * given away again. giveBack() undoes an allocation that came to nothing.
 *
 * Reservations come first, so that ENOSPC arrives before anything has changed: metadata for every operation, data for
 * every dirty page. What the devices have not given to any chunk counts as metadata space too, as long as data do not
 * take it: before data get a new chunk, metadata must have enough (kernel: space-info.c, block-group.c).
 */
import { corrupt, FsError } from '../../../core/errors.ts';
import type { BtrfsMount } from '../mount.ts';
import { BLOCK_GROUP_PROFILE_MASK, BLOCK_GROUP_TYPE_MASK, BlockGroupFlag, BlockGroupItem } from '../structure/chunk.ts';
import { Incompat } from '../structure/features.ts';
import { ItemType, Key, Objectid } from '../structure/key.ts';
import { TreeCursor } from '../tree/cursor.ts';
import type { Chunk } from '../volumes/chunk.ts';
import { PROFILES } from '../volumes/profile.ts';
import { findPlace, longestPlace, type Place } from './allocate.ts';
import { BlockGroup } from './block-group.ts';
import { hasSystemRoom, insertChunk, writeUsed } from './chunk-items.ts';
import { planChunk } from './chunk-plan.ts';
import { FreeSpaceItems } from './free-space-items.ts';
import { loadFreeSpace } from './free-space-load.ts';
import { commitNeed, globalReserve } from './global-reserve.ts';
import { RangeSet } from './ranges.ts';
import { isDispensable, removeGroup } from './remove-groups.ts';
import { invalidateCaches } from './space-cache.ts';
import { SpaceKind } from './space-kind.ts';
import { superStripes } from './super-stripes.ts';

const MIB = 1024 * 1024;
/** A piece of data that is this long is taken before a new chunk is made. */
const GOOD_PIECE = 4 * MIB;
/** Metadata that must be free beyond the global reserve before data may have another chunk. */
const META_HEADROOM = 4 * MIB;
/** One byte of metadata for so many of dirty data, and blocks for any write at all. */
const META_SHARE = 64;
const WRITE_BLOCKS = 16;
/** One byte of metadata for so many of data that are dirty already: each block may be a small file's, written inline. */
const DIRTY_SHARE = 2;
/** Copies and splits of the chunk tree that a new chunk may need. */
const SYSTEM_BLOCKS = 16;

export class BlockGroups {
  private readonly mp: BtrfsMount;
  private kinds: { data: SpaceKind; meta: SpaceKind; system: SpaceKind } | null = null;
  /** Bytes that one more chunk of a kind would have, until there is one more of any. */
  private readonly nextChunk = new Map<SpaceKind, number>();
  /** Made, but without items in the trees. */
  private newGroups: BlockGroup[] = [];
  /** The caches of version 1 are marked out of date. */
  private cachesMarked = false;
  /** Of which nothing is used any more, the first to become so first. */
  private readonly unused = new Set<BlockGroup>();
  private removing = false;
  /** Whose item or free space must be written. */
  private changed = new Set<BlockGroup>();

  constructor(mp: BtrfsMount) {
    this.mp = mp;
  }

  /** Every block group, by address. */
  get all(): BlockGroup[] {
    const { data, meta, system } = this.load();
    const groups = [...data.groups, ...(meta === data ? [] : meta.groups), ...system.groups];
    return groups.sort((a, b) => a.start - b.start);
  }

  /** The kinds of space; data and metadata are the same one in a mixed file system. */
  get spaces(): { readonly data: SpaceKind; readonly meta: SpaceKind; readonly system: SpaceKind } {
    return this.load();
  }

  /** True if data is kept in several copies or with parity. */
  get copiesData(): boolean {
    const profile = this.profileFor(this.load().data) & BLOCK_GROUP_PROFILE_MASK;
    return profile !== 0 && profile !== BlockGroupFlag.RAID0;
  }

  /** The group that holds a logical address. @throws FsError EUCLEAN */
  groupOf(bytenr: number): BlockGroup {
    const { data, meta, system } = this.load();
    for (const kind of [data, meta, system]) {
      const group = kind.groups[kind.indexOf(bytenr)];
      if (group !== undefined && group.start <= bytenr) return group;
    }
    throw corrupt({ structure: 'extent', value: String(bytenr), rule: 'in no block group' });
  }

  /**
   * Takes between `minLength` and `wanted` bytes of data space, in one piece and one group, preferably at `hint`.
   * @throws FsError ENOSPC
   */
  allocData(minLength: number, wanted: number, hint?: number): { bytenr: number; length: number } {
    const { data } = this.load();
    const { sectorSize } = this.mp;
    const from = hint ?? 0;
    const find = (): Place | null =>
      findPlace(data, this.freeOf, wanted, from, sectorSize) ?? longestPlace(data, this.freeOf);
    let place = find();
    if ((place === null || place.length < Math.min(wanted, GOOD_PIECE)) && this.growData()) place = find();
    if (place === null || place.length < minLength) throw new FsError('ENOSPC', { detail: 'no data space' });
    const length = Math.min(place.length, wanted);
    this.take(place.group, place.bytenr, length);
    return { bytenr: place.bytenr, length };
  }

  /** Takes the place of one tree block of the tree `rootId`. @throws FsError ENOSPC */
  allocMeta(rootId: number): number {
    const { meta, system } = this.load();
    const kind = rootId === Objectid.CHUNK_TREE ? system : meta;
    const { nodeSize } = this.mp;
    let place = findPlace(kind, this.freeOf, nodeSize, kind.last, nodeSize);
    if (place === null && this.grow(kind)) place = findPlace(kind, this.freeOf, nodeSize, kind.last, nodeSize);
    if (place === null) throw new FsError('ENOSPC', { detail: 'no metadata space' });
    this.take(place.group, place.bytenr, nodeSize);
    kind.last = place.bytenr + nodeSize;
    return place.bytenr;
  }

  /** Takes a certain place, as a log tree names it. @throws FsError EUCLEAN if it is not free */
  claim(bytenr: number, length: number): void {
    const group = this.groupOf(bytenr);
    this.take(group, bytenr, length);
  }

  /** References of the extent at `bytenr` are about to be dropped: what is free in its group is known before. */
  prepare(bytenr: number): void {
    this.freeOf(this.groupOf(bytenr));
  }

  /** An allocation that came to nothing: no extent item was ever made for it. */
  giveBack(bytenr: number, length: number): void {
    this.freed(bytenr, length);
  }

  /** The commit that freed these bytes is on disk: they may be allocated again. */
  freed(bytenr: number, length: number): void {
    const group = this.groupOf(bytenr);
    this.freeOf(group).add(bytenr, length);
    this.countFree(group, length);
  }

  /** The extent at `bytenr` got (delta > 0) or lost its item in the extent tree. */
  used(bytenr: number, delta: number): void {
    const group = this.groupOf(bytenr);
    const length = Math.abs(delta);
    const wasLoaded = group.free !== null;
    const free = this.freeOf(group);
    // Found by looking at the extent tree, which lost the extent just now: not to be used before the commit.
    if (!wasLoaded && delta < 0) free.cut(bytenr, length, (_, cut) => this.countFree(group, -cut));
    group.used += delta;
    this.mp.sb.bytes_used += delta;
    if (group.used > 0) this.unused.delete(group);
    else this.unused.add(group);
    const [from, to] = delta > 0 ? [group.gained, group.lost] : [group.lost, group.gained];
    let at = bytenr;
    from.cut(bytenr, length, (start, cut) => {
      if (start > at) to.add(at, start - at);
      at = start + cut;
    });
    if (at < bytenr + length) to.add(at, bytenr + length - at);
    this.changed.add(group);
  }

  /**
   * Promises metadata space to an operation. With `deleting` it may come out of the global reserve.
   * @throws FsError ENOSPC
   */
  reserveMeta(bytes: number, deleting = false): void {
    const { meta } = this.load();
    const withheld = (): number => {
      const commit = commitNeed(this.mp);
      return deleting ? commit : Math.max(commit, globalReserve(this.mp));
    };
    if (!this.hasMeta(meta, bytes, withheld(), deleting)) {
      this.commitPinned();
      if (!this.hasMeta(meta, bytes, withheld(), deleting))
        throw new FsError('ENOSPC', { detail: 'no metadata space' });
    }
    meta.reserved += bytes;
  }

  releaseMeta(bytes: number): void {
    this.load().meta.reserved -= bytes;
  }

  /** Promises data space. @throws FsError ENOSPC */
  reserveData(bytes: number): void {
    const { data } = this.load();
    if (!this.hasData(data, bytes)) {
      this.commitPinned();
      if (!this.hasData(data, bytes)) throw new FsError('ENOSPC', { detail: 'no data space' });
    }
    data.reserved += bytes;
  }

  releaseData(bytes: number): void {
    this.load().data.reserved -= bytes;
  }

  /**
   * At commit: the items of new groups, what groups use, and their free space. Writing makes more of it.
   * @returns true if any tree was changed
   */
  writeOut(): boolean {
    let wrote = this.markCaches();
    for (let group = this.newGroups.shift(); group !== undefined; group = this.newGroups.shift()) {
      insertChunk(this.mp, group);
      this.createFreeSpace(group);
      group.isNew = false;
      wrote = true;
    }
    const groups = [...this.changed].sort((a, b) => a.start - b.start);
    this.changed.clear();
    for (const group of groups) {
      if (group.isNew) {
        this.changed.add(group);
        continue;
      }
      if (group.used !== group.writtenUsed) {
        writeUsed(this.mp, group);
        wrote = true;
      }
      wrote = this.updateFreeSpace(group) || wrote;
    }
    return wrote;
  }

  /**
   * Gives up groups that nothing uses any more. Everything is committed, and what was freed may be used again.
   * @throws FsError EIO
   */
  removeUnused(): void {
    if (this.removing) return;
    this.removing = true;
    try {
      this.removeGroups();
    } finally {
      this.removing = false;
    }
  }

  private removeGroups(): void {
    for (const group of [...this.unused]) {
      const kind = this.kindOf(group);
      if (!isDispensable(this.mp, kind, group)) continue;
      // Nothing of what the removal writes may go there.
      const { freeBytes } = group;
      kind.freeBytes -= freeBytes;
      group.readOnly = true;
      if (removeGroup(this.mp, group)) {
        for (const list of [this.unused, this.changed]) list.delete(group);
        kind.remove(group);
        this.mp.space.chunks.remove(group.chunk);
        this.nextChunk.clear();
        for (const each of Object.values(this.spaces)) each.full = false;
        continue;
      }
      group.readOnly = false;
      kind.freeBytes += freeBytes;
    }
  }

  /** Once: nobody may believe the caches of version 1 after this commit. */
  private markCaches(): boolean {
    if (this.cachesMarked) return false;
    this.cachesMarked = true;
    return !this.mp.features.freeSpaceTree && invalidateCaches(this.mp) > 0;
  }

  /** The superblock's cache generation in a commit: current if there are caches, which all say that they are not. */
  cacheGeneration(generation: number): number {
    const { sb, features } = this.mp;
    return this.cachesMarked && !features.freeSpaceTree && sb.cache_generation > 0 ? generation : sb.cache_generation;
  }

  private createFreeSpace(group: BlockGroup): void {
    const root = this.mp.freeSpaceRoot();
    if (root === null) return;
    const items = new FreeSpaceItems(this.mp, group, root);
    try {
      items.create();
    } finally {
      items.close();
    }
  }

  private updateFreeSpace(group: BlockGroup): boolean {
    const { lost, gained } = group;
    if (lost.count === 0 && gained.count === 0) return false;
    group.lost = new RangeSet();
    group.gained = new RangeSet();
    const root = this.mp.freeSpaceRoot();
    if (root === null) return false;
    const items = new FreeSpaceItems(this.mp, group, root);
    try {
      items.update(lost, gained);
    } finally {
      items.close();
    }
    return true;
  }

  private take(group: BlockGroup, bytenr: number, length: number): void {
    this.freeOf(group).remove(bytenr, length);
    this.countFree(group, -length);
  }

  private countFree(group: BlockGroup, bytes: number): void {
    if (!group.readOnly) this.kindOf(group).freeBytes += bytes;
  }

  private readonly freeOf = (group: BlockGroup): RangeSet => {
    if (group.free !== null) return group.free;
    const before = group.freeBytes;
    group.free = loadFreeSpace(this.mp, group);
    this.kindOf(group).freeBytes += group.freeBytes - before;
    return group.free;
  };

  private kindOf(group: BlockGroup): SpaceKind {
    const { data, meta, system } = this.load();
    if (group.isSystem) return system;
    return group.holds(BlockGroupFlag.DATA) ? data : meta;
  }

  private hasMeta(meta: SpaceKind, bytes: number, withheld: number, finishing = false): boolean {
    const { data } = this.load();
    // What is dirty will need file extents and checksums when it is written back, or goes into leaves whole.
    const dirty = data === meta || finishing ? 0 : data.reserved / DIRTY_SHARE;
    const room = meta.freeBytes - meta.reserved - withheld - dirty;
    if (room >= bytes) return true;
    if (data === meta) {
      while (meta.freeBytes - meta.reserved - withheld < bytes) if (!this.grow(meta)) return false;
      return true;
    }
    return room + this.unallocated(meta) >= bytes;
  }

  private hasData(data: SpaceKind, bytes: number): boolean {
    const { meta } = this.load();
    const withheld = data === meta ? globalReserve(this.mp) : 0;
    if (
      data !== meta &&
      !this.hasMeta(meta, WRITE_BLOCKS * this.mp.nodeSize + bytes / META_SHARE, globalReserve(this.mp))
    ) {
      return false;
    }
    while (data.freeBytes - data.reserved - withheld < bytes) if (!this.growData()) return false;
    return true;
  }

  /** Bytes of this kind that one more chunk would add. */
  private unallocated(kind: SpaceKind): number {
    const known = this.nextChunk.get(kind);
    if (known !== undefined) return known;
    const length = planChunk(this.mp.space, this.profileFor(kind), this.mp.nodeSize)?.length ?? 0;
    this.nextChunk.set(kind, length);
    return length;
  }

  /** A chunk for data; metadata is seen to first. */
  private growData(): boolean {
    const { data, meta } = this.load();
    if (data !== meta) {
      const least = globalReserve(this.mp) + META_HEADROOM;
      while (meta.freeBytes - meta.reserved < least) {
        // What metadata could still get must not go to data while commits may need it.
        if (!this.grow(meta) && meta.freeBytes - meta.reserved < least - META_HEADROOM) return false;
        if (meta.full) break;
      }
    }
    return this.grow(data);
  }

  /** Makes a chunk of this kind; false if the devices have no room. */
  private grow(kind: SpaceKind): boolean {
    const { system } = this.load();
    if (kind !== system && system.freeBytes < SYSTEM_BLOCKS * this.mp.nodeSize) this.grow(system);
    const chunk = planChunk(this.mp.space, this.profileFor(kind), this.mp.nodeSize);
    if (chunk === null || (kind === system && !hasSystemRoom(this.mp, chunk.stripes.length))) {
      kind.full = true;
      return false;
    }
    this.addChunk(kind, chunk);
    return true;
  }

  private addChunk(kind: SpaceKind, chunk: Chunk): void {
    this.nextChunk.clear();
    this.mp.space.chunks.add(chunk);
    for (const { member } of chunk.stripes) member.bytesUsed += chunk.stripeBytes;
    const group = new BlockGroup(chunk, 0, superStripes(chunk), false);
    group.isNew = true;
    group.free = new RangeSet();
    group.free.add(group.start, group.length);
    for (const { start, length } of group.supers) group.free.cut(start, length);
    this.newGroups.push(group);
    kind.add(group);
  }

  /** The type and profile of a new chunk: of those in use, the one with most copies that the devices allow. */
  private profileFor(kind: SpaceKind): number {
    return kind.flags | this.profileAmong(kind.groups);
  }

  private profileAmong(groups: readonly BlockGroup[]): number {
    let inUse = 0;
    for (const group of groups) inUse |= group.flags & BLOCK_GROUP_PROFILE_MASK;
    const devices = this.mp.space.members.all.filter((member) => !member.seed && member.device !== null).length;
    const order = ['RAID1C4', 'RAID6', 'RAID1C3', 'RAID5', 'RAID10', 'RAID1', 'DUP', 'RAID0'];
    for (const name of order) {
      const profile = PROFILES.find((each) => each.name === name);
      if (profile !== undefined && (inUse & profile.flag) !== 0 && devices >= profile.devsMin) {
        return profile.flag;
      }
    }
    return 0;
  }

  /** Bytes freed in the running transaction come back by committing it, if that may be done now. */
  private commitPinned(): void {
    const { trans } = this.mp;
    if (trans.busy) return;
    if (trans.running) trans.commit();
    this.removeUnused();
  }

  private load(): { data: SpaceKind; meta: SpaceKind; system: SpaceKind } {
    if (this.kinds !== null) return this.kinds;
    const { DATA, METADATA, SYSTEM } = BlockGroupFlag;
    const mixed = (this.mp.sb.incompat_flags & Incompat.MIXED_GROUPS) !== 0n;
    const data = new SpaceKind(mixed ? DATA | METADATA : DATA);
    const kinds = { data, meta: mixed ? data : new SpaceKind(METADATA), system: new SpaceKind(SYSTEM) };
    const kindOf = (group: BlockGroup): SpaceKind => {
      if (group.isSystem) return kinds.system;
      return group.holds(DATA) ? kinds.data : kinds.meta;
    };
    const groups = Array.from(this.mp.space.chunks, (chunk) => this.readGroup(chunk));
    for (const kind of new Set(Object.values(kinds))) {
      const own = groups.filter((group) => kindOf(group) === kind);
      // Made while devices were missing: with all of them here again nothing more goes where it has no second copy.
      const copied = (this.profileAmong(own) & ~BlockGroupFlag.RAID0) !== 0;
      for (const group of own) {
        const profile = group.flags & BLOCK_GROUP_PROFILE_MASK & ~BlockGroupFlag.RAID0;
        if (copied && profile === 0) group.readOnly = true;
        if (group.used === 0) this.unused.add(group);
        kind.add(group);
      }
    }
    this.kinds = kinds;
    return kinds;
  }

  /** @throws FsError EUCLEAN if the chunk's group is absent or says something else */
  private readGroup(chunk: Chunk): BlockGroup {
    const cursor = new TreeCursor(this.mp.blockGroupRoot());
    try {
      const structure = `block group ${chunk.logical}`;
      if (!cursor.search(new Key(chunk.logical, ItemType.BLOCK_GROUP_ITEM, chunk.length))) {
        throw corrupt({ structure, rule: 'its item is missing' });
      }
      const used = BlockGroupItem.get.used(cursor.view, cursor.at);
      const flags = BlockGroupItem.get.flags(cursor.view, cursor.at);
      const mask = BLOCK_GROUP_TYPE_MASK | BLOCK_GROUP_PROFILE_MASK;
      if ((flags & mask) !== chunk.type) {
        throw corrupt({ structure, field: 'flags', value: String(flags), rule: `chunk has ${chunk.type}` });
      }
      if (used < 0 || used > chunk.length) {
        throw corrupt({ structure, field: 'used', value: String(used), rule: `> ${chunk.length}` });
      }
      const readOnly = chunk.stripes.some((stripe) => stripe.member.seed);
      return new BlockGroup(chunk, used, superStripes(chunk), readOnly);
    } finally {
      cursor.close();
    }
  }
}
