/**
 * A tree of small blocks in memory, under the tree code but without devices and extents: what the transaction does with
 * blocks is imitated, every block that was made and not freed is known, and a commit seals the blocks so that they are
 * verified when they are read again.
 */
import * as assert from 'uvu/assert';
import { checksumKind, seal } from '../../formats/btrfs/checksum.ts';
import type { BtrfsMount } from '../../formats/btrfs/mount.ts';
import {
  HEADER_SIZE,
  Header,
  HeaderFlag,
  KEY_PTR_SIZE,
  KeyPtr,
  nodePtrsPerBlock,
} from '../../formats/btrfs/structure/block.ts';
import { ItemType, Key, Objectid } from '../../formats/btrfs/structure/key.ts';
import { type TreeBlock, TreeBlocks } from '../../formats/btrfs/tree/blocks.ts';
import { freeBytes, insertItem } from '../../formats/btrfs/tree/leaf.ts';
import { pointerAt } from '../../formats/btrfs/tree/node.ts';
import { TreeRoot } from '../../formats/btrfs/tree/root.ts';

const SECTOR = 4096;
const FSID = new Uint8Array(16).fill(7);
const TREE = Objectid.UUID_TREE;

export class MemoryTree {
  readonly nodeSize: number;
  readonly blocks: TreeBlocks;
  readonly root: TreeRoot;
  /** Addresses in use. */
  readonly used = new Set<number>();
  generation = 1;
  private readonly disk = new Map<number, Uint8Array>();
  private next = 1;

  constructor(nodeSize: number, cachedBlocks: number, csumType = 0) {
    const csum = checksumKind(csumType);
    if (csum === null) throw new Error(`checksum ${csumType}`);
    this.nodeSize = nodeSize;
    this.blocks = new TreeBlocks({
      reader: {
        mirrors: () => 1,
        readMirror: (bytenr, into) => into.set(this.disk.get(bytenr) as Uint8Array),
      },
      context: {
        csum,
        sectorSize: SECTOR,
        nodeSize,
        skinnyMetadata: true,
        readOnly: false,
        generation: () => this.generation - 1,
        ownsFsid: (bytes, at) => bytes.subarray(at, at + 16).every((byte) => byte === 7),
      },
      capacityBytes: cachedBlocks * nodeSize,
      fsid: FSID,
      chunkTreeUuid: () => FSID,
      transid: () => this.generation,
    });
    const mp = { blocks: this.blocks, nodeSize, trans: this } as unknown as BtrfsMount;
    const leaf = this.make(0);
    insertItem(leaf, 0, new Key(1, ItemType.STRING_ITEM, 0), 0);
    this.root = new TreeRoot(mp, TREE, { bytenr: leaf.bytenr, level: 0, generation: this.generation }, null);
    this.commit();
  }

  /** As the transaction's cow(): a block of an older generation is copied. */
  cow(root: TreeRoot, block: TreeBlock, parent: TreeBlock | null, slot: number): TreeBlock {
    if (parent !== null) {
      assert.ok(parent.dirty, 'the parent was made writable before');
      assert.is(parent.childBytenr(slot), block.bytenr, 'the parent points to the block');
    } else assert.is(root.bytenr, block.bytenr, 'without a parent it is the root node');
    if (block.dirty) return block;
    const copy = this.make(block.level);
    copy.bytes.set(block.bytes);
    Header.set.bytenr(copy.view, 0, copy.bytenr);
    Header.set.generation(copy.view, 0, this.generation);
    Header.set.flags(copy.view, 0, 0);
    if (parent === null) this.setRootNode(root, copy);
    else {
      KeyPtr.set.blockptr(parent.view, pointerAt(slot), copy.bytenr);
      KeyPtr.set.generation(parent.view, pointerAt(slot), this.generation);
    }
    this.freeTreeBlock(root, block);
    return copy;
  }

  allocTreeBlock(_root: TreeRoot, level: number): TreeBlock {
    return this.make(level);
  }

  freeTreeBlock(_root: TreeRoot, block: TreeBlock): void {
    assert.ok(this.used.delete(block.bytenr), `block ${block.bytenr} is freed once`);
    this.blocks.forget(block);
  }

  setRootNode(root: TreeRoot, block: TreeBlock): void {
    root.bytenr = block.bytenr;
    root.level = block.level;
    root.generation = this.generation;
  }

  /** Everything is sealed and on disk; what changes from now on is copied. */
  commit(): void {
    for (const block of [...this.blocks.dirtyBlocks()]) {
      Header.set.flags(block.view, 0, HeaderFlag.WRITTEN);
      seal(checksumKind(0) as NonNullable<ReturnType<typeof checksumKind>>, block.bytes);
      this.disk.set(block.bytenr, block.bytes.slice());
      this.blocks.clean(block);
    }
    this.generation++;
  }

  /** Checks every rule of the tree's form; returns its height. */
  check(): number {
    const reached = new Set<number>();
    const visit = (block: TreeBlock, low: Key | null, high: Key | null, isRoot: boolean): void => {
      assert.not(reached.has(block.bytenr), `block ${block.bytenr} is reached once`);
      reached.add(block.bytenr);
      const count = block.nritems;
      const first = new Key().read(block.view, HEADER_SIZE);
      if (low !== null) assert.is(first.compare(low), 0, `first key ${first} is the parent's ${low}`);
      if (!isRoot) assert.ok(count > 0, 'only a root leaf is empty');
      if (block.level === 0) return this.checkLeaf(block, high);
      assert.ok(count <= nodePtrsPerBlock(this.nodeSize));
      if (isRoot) assert.ok(count > 1, 'a root node has two children');
      for (let slot = 0; slot < count; slot++) {
        const at = HEADER_SIZE + slot * KEY_PTR_SIZE;
        const key = new Key().read(block.view, at);
        const next = slot + 1 < count ? new Key().read(block.view, at + KEY_PTR_SIZE) : high;
        if (next !== null) assert.ok(key.compare(next) < 0, 'keys rise');
        visit(this.blocks.readChild(block, slot, TREE), key, next, false);
      }
    };
    visit(this.root.node(), null, null, true);
    assert.equal([...this.used].sort(), [...reached].sort(), 'blocks in use are those of the tree');
    return this.root.level + 1;
  }

  private checkLeaf(leaf: TreeBlock, high: Key | null): void {
    const { view, nritems } = leaf;
    let end = this.nodeSize - HEADER_SIZE;
    for (let slot = 0; slot < nritems; slot++) {
      const at = HEADER_SIZE + slot * 25;
      const key = new Key().read(view, at);
      if (slot > 0) assert.ok(new Key().read(view, at - 25).compare(key) < 0, 'keys rise');
      if (slot === nritems - 1 && high !== null) assert.ok(key.compare(high) < 0, 'keys stay below the next block');
      const offset = view.getUint32(at + 17, true);
      assert.is(offset + view.getUint32(at + 21, true), end, 'data without gaps');
      end = offset;
    }
    assert.ok(freeBytes(leaf) >= 0, 'headers and data do not overlap');
  }

  private make(level: number): TreeBlock {
    const bytenr = this.next++ * this.nodeSize;
    this.used.add(bytenr);
    return this.blocks.create(bytenr, level, TREE);
  }
}
