/**
 * One btrfs image in use: superblock, features, devices, trees. Opening reads the superblock, the system chunks, the
 * chunk tree (from then on every logical address can be read), then the root tree; every other tree is opened when it
 * is first asked for.
 */
import type { Device } from '../../core/device/device.ts';
import { corrupt, FsError } from '../../core/errors.ts';
import type { Tracer } from '../../core/iomap/trace.ts';
import type { MountOptions } from '../../core/vfs/filesystem.ts';
import type { Timestamp } from '../../core/vfs/inode.ts';
import { chooseChunkRoot, chooseTreeRoot } from './backup-roots.ts';
import type { ChecksumKind } from './checksum.ts';
import { ExtentReader } from './extents.ts';
import type { InodeTable } from './inode-table.ts';
import { BlockGroups } from './space/groups.ts';
import { Header } from './structure/block.ts';
import { CompatRo, Incompat, judgeFeatures } from './structure/features.ts';
import { InodeFlag, InodeItem } from './structure/inode.ts';
import { ItemType, Key, Objectid } from './structure/key.ts';
import { treeText } from './structure/key-names.ts';
import { ROOT_ITEM_LEGACY_SIZE, RootItem } from './structure/root.ts';
import { SuperFlag, type SuperValues } from './structure/superblock.ts';
import { type FoundSuper, metadataUuid, readSuperblock } from './superblock.ts';
import { ExtentReferences } from './trans/refs.ts';
import { TransactionManager } from './trans/transaction.ts';
import { TreeBlocks } from './tree/blocks.ts';
import { TreeCursor } from './tree/cursor.ts';
import { type RootItemValues, TreeRoot } from './tree/root.ts';
import { csumLookup } from './volumes/csum-lookup.ts';
import { LogicalSpace } from './volumes/logical-space.ts';
import { Members } from './volumes/members.ts';

/** Clean tree blocks kept in memory, bytes. */
const BLOCK_CACHE = 64 * 1024 * 1024;

/** Feature bits of the superblock as questions. */
export interface Features {
  readonly mixedGroups: boolean;
  readonly skinnyMetadata: boolean;
  readonly noHoles: boolean;
  readonly extendedIref: boolean;
  readonly raid56: boolean;
  readonly metadataUuid: boolean;
  readonly simpleQuota: boolean;
  readonly freeSpaceTree: boolean;
  readonly freeSpaceTreeValid: boolean;
  readonly blockGroupTree: boolean;
  readonly verity: boolean;
}

export class BtrfsMount {
  readonly options: MountOptions;
  /** Every change is refused with EROFS. */
  readOnly: boolean;
  /** What the user must know about what is shown: damaged copies, missing devices, unknown features. */
  readonly notes: string[] = [];
  /** The superblock as the last commit left it; the commit changes it. */
  readonly sb: SuperValues;
  readonly features: Features;
  readonly csum: ChecksumKind;
  readonly sectorSize: number;
  readonly nodeSize: number;
  /** What tree blocks carry. */
  readonly fsid: Uint8Array;
  readonly members: Members;
  readonly space: LogicalSpace;
  readonly groups: BlockGroups;
  readonly trans: TransactionManager;
  readonly refs: ExtentReferences;
  readonly blocks: TreeBlocks;
  /** The inodes in use; the file system that the mount belongs to sets it. */
  inodes!: InodeTable;
  readonly reader: ExtentReader = new ExtentReader();
  readonly chunkRoot: TreeRoot;
  treeRoot: TreeRoot;
  tracer: Tracer | null = null;
  private readonly roots = new Map<number, TreeRoot>();
  private uuidOfChunkTree: Uint8Array | null = null;

  /**
   * `rescue`: where chunk tree or root tree cannot be read, the mount is made all the same, read-only, with what there
   * is; whoever asks for more hears of the damage.
   */
  constructor(found: FoundSuper, members: Members, options: MountOptions, rescue = false) {
    const sb = found.values;
    this.options = options;
    this.sb = sb;
    this.csum = found.csum;
    this.sectorSize = sb.sectorsize;
    this.nodeSize = sb.nodesize;
    this.fsid = metadataUuid(sb).slice();
    this.features = featuresOf(sb);
    const verdict = judgeFeatures(sb.incompat_flags, sb.compat_ro_flags);
    if (verdict.refused !== null) throw new FsError('EINVAL', { detail: verdict.refused });
    const obstacle = obstacleOf(sb) ?? verdict.readOnly;
    if (obstacle !== null) this.notes.push(`read-only: ${obstacle}`);
    this.notes.push(...found.notes);
    this.members = members;
    this.space = new LogicalSpace(members, { sectorSize: sb.sectorsize, mixedGroups: this.features.mixedGroups });
    const lookup = csumLookup(() => this.csumRoot(), sb.sectorsize, found.csum.size);
    this.space.attachData(members.latest.name, found.csum, options.noDataCsum === true ? null : lookup);
    this.groups = new BlockGroups(this);
    this.trans = new TransactionManager(this);
    this.refs = new ExtentReferences(this);
    this.blocks = this.openBlocks();
    this.space.addSystemChunks(sb.sys_chunk_array, sb.sys_chunk_array_size);
    const damage: FsError[] = [];
    const note = rescue ? (failure: FsError) => damage.push(failure) : raise;
    const chunks = chooseChunkRoot(this, note);
    this.chunkRoot = chunks.root;
    if (damage.length === 0) this.readChunks(note);
    const tree = chooseTreeRoot(this, note);
    this.treeRoot = tree.root;
    // What is written over a log that was not replayed would be lost to it, or it to that.
    const unreplayed = options.norecovery && sb.log_root !== 0;
    const older = chunks.older ?? tree.older;
    const chosen = options.superblock ?? null;
    this.readOnly =
      options.readOnly || obstacle !== null || older !== null || chosen !== null || damage.length > 0 || unreplayed;
    if (tree.older !== null) this.notes.push(`read-only: shown is the older state of generation ${tree.older}`);
    if (chunks.older !== null) this.notes.push(`read-only: chunks are those of generation ${chunks.older}`);
    if (chosen !== null) this.notes.push(`read-only: shown is what superblock ${chosen} says`);
  }

  get devRoot(): TreeRoot {
    return this.root(Objectid.DEV_TREE);
  }

  extentRoot(): TreeRoot {
    return this.root(Objectid.EXTENT_TREE);
  }

  csumRoot(): TreeRoot {
    return this.root(Objectid.CSUM_TREE);
  }

  /** The free-space tree, null if the image has none that is to be believed. @throws FsError EUCLEAN if it is missing */
  freeSpaceRoot(): TreeRoot | null {
    return this.features.freeSpaceTree && this.features.freeSpaceTreeValid ? this.root(Objectid.FREE_SPACE_TREE) : null;
  }

  /** The tree with the BLOCK_GROUP_ITEMs. */
  blockGroupRoot(): TreeRoot {
    return this.root(this.features.blockGroupTree ? Objectid.BLOCK_GROUP_TREE : Objectid.EXTENT_TREE);
  }

  /** The quota tree, null if quotas are off. */
  quotaRoot(): TreeRoot | null {
    return this.rootOrNull(Objectid.QUOTA_TREE);
  }

  /** The tree that finds subvolumes by uuid, null if there is none. */
  uuidRoot(): TreeRoot | null {
    return this.rootOrNull(Objectid.UUID_TREE);
  }

  /** The tree with this id; the same object every time. @throws FsError ENOENT, EUCLEAN */
  root(id: number): TreeRoot {
    const root = this.rootOrNull(id);
    if (root !== null) return root;
    throw new FsError('ENOENT', { detail: `no ${treeText(id)}` });
  }

  /** As root(), null if there is none. @throws FsError EUCLEAN */
  rootOrNull(id: number): TreeRoot | null {
    const known = this.roots.get(id);
    if (known !== undefined) return known;
    if (id === Objectid.ROOT_TREE) return this.treeRoot;
    if (id === Objectid.CHUNK_TREE) return this.chunkRoot;
    const root = this.readRoot(id);
    if (root !== null) this.roots.set(id, root);
    return root;
  }

  /** The trees that were asked for so far. */
  openRoots(): Iterable<TreeRoot> {
    return this.roots.values();
  }

  /** Makes a tree that was made just now known to root(). */
  addRoot(root: TreeRoot): void {
    this.roots.set(root.id, root);
  }

  /** The tree is gone. */
  forgetRoot(id: number): void {
    this.roots.delete(id);
  }

  /**
   * Runs `fn`, which touches at most `items` items of trees, as one operation: all of it happens, or nothing if it
   * throws. @throws FsError ENOSPC before anything changes, EROFS, EIO after a failed commit; what `fn` throws
   */
  change<T>(name: string, items: number, fn: () => T): T {
    return this.trans.change(name, items, fn);
  }

  now(): Timestamp {
    return this.options.now();
  }

  private openBlocks(): TreeBlocks {
    const { sb, features } = this;
    const ownsFsid = (bytes: Uint8Array, offset: number): boolean => {
      for (let i = 0; i < 16; i++) {
        if (bytes[offset + i] !== this.fsid[i])
          return this.members.owns(Buffer.from(bytes).toString('hex', offset, offset + 16));
      }
      return true;
    };
    return new TreeBlocks({
      reader: this.space,
      context: {
        csum: this.csum,
        sectorSize: this.sectorSize,
        nodeSize: this.nodeSize,
        skinnyMetadata: features.skinnyMetadata,
        readOnly: this.options.readOnly,
        generation: () => sb.generation,
        ownsFsid,
      },
      capacityBytes: BLOCK_CACHE,
      fsid: this.fsid,
      chunkTreeUuid: () => this.chunkTreeUuid(),
      transid: () => sb.generation + 1,
    });
  }

  private chunkTreeUuid(): Uint8Array {
    this.uuidOfChunkTree ??= Header.get.chunk_tree_uuid(this.chunkRoot.node().view, 0);
    return this.uuidOfChunkTree;
  }

  /** Devices and chunks; the devices come first in the tree. */
  private readChunks(fault: (failure: FsError) => void): void {
    const cursor = new TreeCursor(this.chunkRoot);
    try {
      for (let more = cursor.first(); more; more = cursor.next()) {
        const { key, view, at: place, size } = cursor;
        if (key.type === ItemType.DEV_ITEM) this.space.addDevice(view, place, size, key.offset);
        else if (key.type === ItemType.CHUNK_ITEM) this.space.addChunk(view, place, size, key.offset);
      }
      this.notes.push(...this.space.checkMembers());
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
      fault(error);
    } finally {
      cursor.close();
    }
  }

  private readRoot(id: number): TreeRoot | null {
    const cursor = new TreeCursor(this.treeRoot);
    try {
      cursor.searchBack(new Key(id, ItemType.ROOT_ITEM, -1));
      const { key } = cursor;
      if (!cursor.valid || key.type !== ItemType.ROOT_ITEM || key.objectid !== id) return null;
      const item = readRootItem(cursor.view, cursor.at, cursor.size);
      if (item.bytenr === 0) throw corrupt({ structure: `ROOT_ITEM of ${treeText(id)}`, field: 'bytenr', rule: '0' });
      return new TreeRoot(this, id, at(item.bytenr, item.level, item.generation), item, key.offset);
    } finally {
      cursor.close();
    }
  }
}

function at(bytenr: number, level: number, generation: number): { bytenr: number; level: number; generation: number } {
  return { bytenr, level, generation };
}

/** A ROOT_ITEM; the fields that old kernels did not write, left out of date or never set to anything, are zero. */
export function readRootItem(view: DataView, place: number, size: number): RootItemValues {
  const bytes = new Uint8Array(RootItem.size);
  bytes.set(new Uint8Array(view.buffer, view.byteOffset + place, Math.min(size, RootItem.size)));
  const item = new DataView(bytes.buffer);
  if (RootItem.get.generation(item, 0) !== RootItem.get.generation_v2(item, 0)) bytes.fill(0, ROOT_ITEM_LEGACY_SIZE);
  if ((InodeItem.get.flags(item, RootItem.at.inode) & InodeFlag.ROOT_ITEM_INIT) === 0) {
    RootItem.set.flags(item, 0, 0);
    RootItem.set.flags_high(item, 0, 0);
    RootItem.set.byte_limit(item, 0, 0);
  }
  return RootItem.decode(item, 0);
}

function featuresOf(sb: SuperValues): Features {
  const has = (bit: bigint): boolean => (sb.incompat_flags & bit) !== 0n;
  const hasRo = (bit: bigint): boolean => (sb.compat_ro_flags & bit) !== 0n;
  return {
    mixedGroups: has(Incompat.MIXED_GROUPS),
    skinnyMetadata: has(Incompat.SKINNY_METADATA),
    noHoles: has(Incompat.NO_HOLES),
    extendedIref: has(Incompat.EXTENDED_IREF),
    raid56: has(Incompat.RAID56),
    metadataUuid: has(Incompat.METADATA_UUID),
    simpleQuota: has(Incompat.SIMPLE_QUOTA),
    freeSpaceTree: hasRo(CompatRo.FREE_SPACE_TREE),
    freeSpaceTreeValid: hasRo(CompatRo.FREE_SPACE_TREE_VALID),
    blockGroupTree: hasRo(CompatRo.BLOCK_GROUP_TREE),
    verity: hasRo(CompatRo.VERITY),
  };
}

/** Why nothing may be written, or null. */
function obstacleOf({ flags, bytes_used }: SuperValues): string | null {
  if ((flags & SuperFlag.SEEDING) !== 0n) return 'a seed device';
  return bytes_used === Number.MAX_SAFE_INTEGER ? 'superblock, bytes_used: beyond 2^53 - 1' : null;
}

function raise(failure: FsError): never {
  throw failure;
}

/** Opens a btrfs image. @throws FsError EINVAL no btrfs or unknown features, EUCLEAN damaged, EIO devices missing */
export function openMount(device: Device, options: MountOptions): BtrfsMount {
  const members = new Members(device, options.devices, options.degraded);
  try {
    return new BtrfsMount(readSuperblock(members.latest, options.superblock), members, options);
  } catch (error) {
    members.close();
    throw error;
  }
}

/** As openMount(), with what can be read of an image whose chunk tree or root tree is damaged. @throws FsError likewise */
export function rescueMount(device: Device, options: MountOptions): BtrfsMount {
  const members = new Members(device, options.devices, options.degraded);
  try {
    return new BtrfsMount(readSuperblock(members.latest, options.superblock), members, options, true);
  } catch (error) {
    members.close();
    throw error;
  }
}
