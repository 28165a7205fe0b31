/** A tree: where its root node is, and what its ROOT_ITEM says. */
import type { Decoded } from '../../../core/struct.ts';
import type { BtrfsMount } from '../mount.ts';
import { Objectid } from '../structure/key.ts';
import { isFsTree } from '../structure/key-names.ts';
import { ROOT_SUBVOL_DEAD_HIGH, ROOT_SUBVOL_RDONLY, type RootItem } from '../structure/root.ts';
import type { TreeBlock } from './blocks.ts';

export type RootItemValues = Decoded<typeof RootItem>;

/** One tree of the image; the same object while the image is open. */
export class TreeRoot {
  readonly mp: BtrfsMount;
  readonly id: number;
  /** Logical address, level and generation of the root node. */
  bytenr: number;
  level: number;
  generation: number;
  /** The ROOT_ITEM, null for the trees that the superblock names (root, chunk, log). Written back at commit. */
  readonly item: RootItemValues | null;
  /** Offset of the ROOT_ITEM's key: the generation that a snapshot was made in. */
  readonly keyOffset: number;
  /** Blocks may be shared with snapshots: trees of subvolumes and of relocations. */
  readonly shareable: boolean;
  /** The root node moved: the ROOT_ITEM must be rewritten. */
  dirty = false;
  /** Blocks born before this moment (on the transaction's clock) belong to a snapshot too. */
  copiedAt = 0;
  /** Counts changes of the tree, so that cursors know when their path is out of date. */
  changes = 0;

  constructor(
    mp: BtrfsMount,
    id: number,
    place: { bytenr: number; level: number; generation: number },
    item: RootItemValues | null,
    keyOffset = 0,
  ) {
    this.mp = mp;
    this.id = id;
    this.bytenr = place.bytenr;
    this.level = place.level;
    this.generation = place.generation;
    this.item = item;
    this.keyOffset = keyOffset;
    this.shareable = isFsTree(id) || id === Objectid.TREE_RELOC;
  }

  /** The root node. @throws FsError EUCLEAN, EIO */
  node(): TreeBlock {
    return this.mp.blocks.read(this.bytenr, this.level, this.generation, this.id);
  }

  /** Generation of the last snapshot made of this tree. */
  get lastSnapshot(): number {
    return this.item?.last_snapshot ?? 0;
  }

  /** 0: deleted, its blocks are being dropped. */
  get refs(): number {
    return this.item?.refs ?? 1;
  }

  /** ROOT_SUBVOL_* bits, the low 32. */
  get flags(): number {
    return this.item?.flags ?? 0;
  }

  /** A read-only subvolume. */
  get readOnly(): boolean {
    return (this.flags & ROOT_SUBVOL_RDONLY) !== 0;
  }

  /** A subvolume in deletion. */
  get dead(): boolean {
    return ((this.item?.flags_high ?? 0) & ROOT_SUBVOL_DEAD_HIGH) !== 0;
  }
}
