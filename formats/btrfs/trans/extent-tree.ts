/**
 * Changes of the extent tree: one pending reference after the other is put in or taken out, inline in the extent
 * item while there is room, else as an item of its own beside it. An extent whose last reference goes is freed.
 *
 *     (bytenr EXTENT_ITEM length)        inline references …
 *     (bytenr EXTENT_DATA_REF hash)      keyed references, only once the item has outgrown its share of a leaf;
 *     (bytenr SHARED_DATA_REF parent)    the hash counts up on collisions
 *
 * Invariant: the item's count is the sum of its inline and keyed references. Everything that breaks it is damage of
 * the image and ends the commit. Mirrors extent-tree.c (alloc_reserved_*, __btrfs_inc_extent_ref, __btrfs_free_extent).
 */

import { corrupt, type FsError } from '../../../core/errors.ts';
import { hashDataRef } from '../data-ref-hash.ts';
import type { BtrfsMount } from '../mount.ts';
import { ITEM_SIZE, leafDataSize } from '../structure/block.ts';
import { ExtentDataRef, ExtentFlag, ExtentItem, SharedDataRef, TreeBlockInfo } from '../structure/extent.ts';
import { readU64, writeU64 } from '../structure/fields.ts';
import { ItemType, Key } from '../structure/key.ts';
import { TreeCursor } from '../tree/cursor.ts';
import type { RefHead, RefNode } from './delayed-refs.ts';
import {
  inlineRefCount,
  inlineRefSize,
  inlineRefsStart,
  scanInlineRefs,
  setInlineRefCount,
  writeInlineRef,
} from './inline-refs.ts';

/** Size of a keyed reference. */
function keyedSize(type: number): number {
  if (type === ItemType.EXTENT_DATA_REF) return ExtentDataRef.size;
  return type === ItemType.SHARED_DATA_REF ? SharedDataRef.size : 0;
}

/** What dropExtentRef() did. */
export interface Dropped {
  /** True if that was the last reference: the extent item is gone. */
  readonly freed: boolean;
  /** Generation of the freed extent. */
  readonly generation: number;
  /** Tree that is charged for it under simple quotas, 0 if none is noted. */
  readonly owner: number;
}

const KEPT: Dropped = { freed: false, generation: 0, owner: 0 };

/** Edits extent items through one cursor; close() when the pending references have run. */
export class ExtentTree {
  private readonly mp: BtrfsMount;
  private readonly cursor: TreeCursor;
  private readonly key = new Key();
  private readonly hash = { high: 0, low: 0 };
  private readonly skinny: boolean;
  private readonly largest: number;

  constructor(mp: BtrfsMount) {
    this.mp = mp;
    this.cursor = new TreeCursor(mp.extentRoot());
    this.skinny = mp.features.skinnyMetadata;
    this.largest = Math.floor(leafDataSize(mp.nodeSize) / 16) - ITEM_SIZE;
  }

  close(): void {
    this.cursor.close();
  }

  /** A new data extent with its first reference. `owner`: the tree to note under simple quotas, or 0. */
  insertData(head: RefHead, node: RefNode, owner: number): void {
    const ownerSize = owner === 0 ? 0 : inlineRefSize(ItemType.EXTENT_OWNER_REF);
    const size = ExtentItem.size + ownerSize + inlineRefSize(node.type);
    this.key.set(head.bytenr, ItemType.EXTENT_ITEM, head.length);
    this.cursor.insert(this.key, size);
    const { view, at } = this.cursor;
    this.writeHeader(ExtentFlag.DATA, node.mod);
    if (owner !== 0) {
      view.setUint8(at + ExtentItem.size, ItemType.EXTENT_OWNER_REF);
      writeU64(view, at + ExtentItem.size + 1, owner);
    }
    writeInlineRef(view, at + ExtentItem.size + ownerSize, node, node.mod);
  }

  /** A new tree block with its first reference; `firstKey` is its lowest key, which only fat items keep. */
  insertBlock(head: RefHead, node: RefNode, firstKey: Key): void {
    if (node.mod !== 1) throw this.damage(head, `new tree block with ${node.mod} references`);
    let refs: number = ExtentItem.size;
    if (this.skinny) this.key.set(head.bytenr, ItemType.METADATA_ITEM, head.level);
    else {
      this.key.set(head.bytenr, ItemType.EXTENT_ITEM, head.length);
      refs += TreeBlockInfo.size;
    }
    this.cursor.insert(this.key, refs + inlineRefSize(node.type));
    const { view, at } = this.cursor;
    this.writeHeader(ExtentFlag.TREE_BLOCK + head.flagsToSet, 1);
    if (!this.skinny) {
      firstKey.write(view, at + ExtentItem.size + TreeBlockInfo.at.key);
      TreeBlockInfo.set.level(view, at + ExtentItem.size, head.level);
    }
    writeInlineRef(view, at + refs, node, 1);
  }

  /** Adds `node.mod` references to an extent that is in the tree. */
  add(head: RefHead, node: RefNode): void {
    this.locate(head);
    const { cursor } = this;
    const place = scanInlineRefs(cursor.view, cursor.at, cursor.size, cursor.key, node);
    if (!head.isData && (place.found || node.mod !== 1)) throw this.damage(head, 'reference of a tree block twice');
    const refs = ExtentItem.get.refs(cursor.view, cursor.at);
    const room = cursor.size + inlineRefSize(node.type) < this.largest;
    // An item that has keyed references gets no more inline ones: the same reference must not be in both forms.
    const inline = place.found || (room && place.counted === refs);
    if (inline && !place.found) this.openInline(place.offset, inlineRefSize(node.type));
    else cursor.edit();
    const { view, at } = cursor;
    ExtentItem.set.refs(view, at, refs + node.mod);
    this.applyFlags(head);
    if (!inline) {
      this.addKeyed(head, node);
      return;
    }
    const ref = at + place.offset;
    if (place.found) setInlineRefCount(view, ref, node.type, inlineRefCount(view, ref, node.type) + node.mod);
    else writeInlineRef(view, ref, node, node.mod);
  }

  /** Drops `-node.mod` references; the extent item goes with the last. */
  drop(head: RefHead, node: RefNode): Dropped {
    const count = -node.mod;
    if (!head.isData && count !== 1) throw this.damage(head, `${count} references of a tree block dropped at once`);
    this.locate(head);
    const { cursor } = this;
    const place = scanInlineRefs(cursor.view, cursor.at, cursor.size, cursor.key, node);
    if (!place.found) {
      this.dropKeyed(head, node, count);
      this.locate(head);
    }
    const refs = ExtentItem.get.refs(cursor.view, cursor.at) - count;
    if (refs < 0) throw this.damage(head, `${count} references dropped of ${refs + count}`);
    const inlineCount = place.found ? inlineRefCount(cursor.view, cursor.at + place.offset, node.type) : count;
    if (inlineCount < count || (refs === 0 && inlineCount !== count)) {
      throw this.damage(head, `${count} references dropped of ${inlineCount} with this owner`);
    }
    if (refs === 0) {
      const dropped: Dropped = {
        freed: true,
        generation: ExtentItem.get.generation(cursor.view, cursor.at),
        owner: this.notedOwner(),
      };
      cursor.delete();
      return dropped;
    }
    cursor.edit();
    ExtentItem.set.refs(cursor.view, cursor.at, refs);
    this.applyFlags(head);
    if (place.found) {
      const ref = cursor.at + place.offset;
      if (inlineCount > count) setInlineRefCount(cursor.view, ref, node.type, inlineCount - count);
      else this.closeInline(place.offset, inlineRefSize(node.type));
    }
    return KEPT;
  }

  /** Sets the pending flags of a tree block that is in the tree. */
  setFlags(head: RefHead): void {
    this.locate(head);
    this.cursor.edit();
    this.applyFlags(head);
  }

  /** Moves the cursor to the extent item; a tree block's may be fat even where new ones are skinny. */
  private locate(head: RefHead): void {
    const { cursor, key } = this;
    if (!head.isData && this.skinny) {
      if (cursor.search(key.set(head.bytenr, ItemType.METADATA_ITEM, head.level))) return;
    }
    if (!cursor.search(key.set(head.bytenr, ItemType.EXTENT_ITEM, head.length))) {
      throw this.damage(head, 'is in use, but has no extent item');
    }
  }

  private writeHeader(flags: number, refs: number): void {
    const { view, at } = this.cursor;
    ExtentItem.set.refs(view, at, refs);
    ExtentItem.set.generation(view, at, this.mp.trans.id);
    ExtentItem.set.flags(view, at, flags);
  }

  private applyFlags(head: RefHead): void {
    if (head.flagsToSet === 0) return;
    const { view, at } = this.cursor;
    const flags = ExtentItem.get.flags(view, at);
    // FULL_BACKREF is the only flag ever set later.
    if (flags < ExtentFlag.FULL_BACKREF) ExtentItem.set.flags(view, at, flags + head.flagsToSet);
    head.flagsToSet = 0;
  }

  /** Makes room for an inline reference in the current item. */
  private openInline(offset: number, length: number): void {
    const { cursor } = this;
    cursor.resize(cursor.size + length);
    const item = new Uint8Array(cursor.view.buffer, cursor.view.byteOffset + cursor.at, cursor.size);
    item.copyWithin(offset + length, offset, cursor.size - length);
  }

  /** Takes an inline reference out of the current item. */
  private closeInline(offset: number, length: number): void {
    const { cursor } = this;
    const item = new Uint8Array(cursor.view.buffer, cursor.view.byteOffset + cursor.at, cursor.size);
    item.copyWithin(offset, offset + length);
    cursor.resize(cursor.size - length);
  }

  private notedOwner(): number {
    const { view, at, size, key } = this.cursor;
    const start = inlineRefsStart(view, at, key);
    if (start >= size || view.getUint8(at + start) !== ItemType.EXTENT_OWNER_REF) return 0;
    return readU64(view, at + start + 1);
  }

  private setKeyed(head: RefHead, node: RefNode): void {
    this.key.set(head.bytenr, node.type, node.parent === 0 ? node.root : node.parent);
    if (node.type !== ItemType.EXTENT_DATA_REF) return;
    const { high, low } = hashDataRef(node.root, node.owner, node.offset, this.hash);
    this.key.fh = high;
    this.key.fl = low;
  }

  /** Finds the keyed reference; false with `key` at the first free place. */
  private findKeyed(head: RefHead, node: RefNode): boolean {
    const { cursor, key } = this;
    this.setKeyed(head, node);
    let found = cursor.search(key);
    if (node.type !== ItemType.EXTENT_DATA_REF) return found;
    // References with the same hash lie one after the other, without a gap unless one was removed.
    while (found || (cursor.valid && sameExtentRefs(cursor.key, key))) {
      if (isDataRef(cursor.view, cursor.at, node)) {
        key.copyFrom(cursor.key);
        return true;
      }
      if (!cursor.next()) break;
      found = false;
    }
    return false;
  }

  private addKeyed(head: RefHead, node: RefNode): void {
    const { cursor, key } = this;
    const found = head.isData && this.findKeyedExact(head, node);
    if (found) {
      cursor.edit();
      const at = cursor.at + (node.type === ItemType.EXTENT_DATA_REF ? ExtentDataRef.at.count : 0);
      cursor.view.setUint32(at, cursor.view.getUint32(at, true) + node.mod, true);
      return;
    }
    if (!head.isData) this.setKeyed(head, node);
    cursor.insert(key, keyedSize(node.type));
    if (node.type === ItemType.EXTENT_DATA_REF) {
      ExtentDataRef.encode(cursor.view, cursor.at, {
        root: node.root,
        objectid: node.owner,
        offset: node.offset,
        count: node.mod,
      });
    } else if (node.type === ItemType.SHARED_DATA_REF) SharedDataRef.set.count(cursor.view, cursor.at, node.mod);
  }

  /** As Linux adds: counts up from the hash until the reference itself or a free key is found, left in `key`. */
  private findKeyedExact(head: RefHead, node: RefNode): boolean {
    const { cursor, key } = this;
    this.setKeyed(head, node);
    while (cursor.search(key)) {
      if (node.type !== ItemType.EXTENT_DATA_REF || isDataRef(cursor.view, cursor.at, node)) return true;
      key.fl = (key.fl + 1) >>> 0;
      if (key.fl === 0) key.fh++;
    }
    return false;
  }

  private dropKeyed(head: RefHead, node: RefNode, count: number): void {
    const { cursor } = this;
    if (!this.findKeyed(head, node)) throw this.damage(head, `no reference of ${describe(node)}`);
    if (!head.isData) {
      cursor.delete();
      return;
    }
    const field = node.type === ItemType.EXTENT_DATA_REF ? ExtentDataRef.at.count : 0;
    const have = cursor.view.getUint32(cursor.at + field, true);
    if (have < count) throw this.damage(head, `${count} references of ${have} dropped, ${describe(node)}`);
    if (have === count) {
      cursor.delete();
      return;
    }
    cursor.edit();
    cursor.view.setUint32(cursor.at + field, have - count, true);
  }

  private damage(head: RefHead, rule: string): FsError {
    return corrupt({ structure: `extent tree: ${head.isData ? 'data' : 'tree block'}`, addr: head.bytenr, rule });
  }
}

function isDataRef(view: DataView, at: number, node: RefNode): boolean {
  return (
    ExtentDataRef.get.root(view, at) === node.root &&
    ExtentDataRef.get.objectid(view, at) === node.owner &&
    ExtentDataRef.get.offset(view, at) === node.offset
  );
}

function sameExtentRefs(key: Key, wanted: Key): boolean {
  return key.oh === wanted.oh && key.ol === wanted.ol && key.type === wanted.type;
}

function describe(node: RefNode): string {
  if (node.parent !== 0) return `parent ${node.parent}`;
  const file = node.type === ItemType.EXTENT_DATA_REF ? ` inode ${node.owner} offset ${node.offset}` : '';
  return `root ${node.root}${file}`;
}
