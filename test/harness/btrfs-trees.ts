/** A btrfs image opened below its files: extended attributes of a subvolume's root directory as items to play with. */
import type { Device } from '../../core/device/device.ts';
import { FsError } from '../../core/errors.ts';
import { type BtrfsFilesystem, mountBtrfs } from '../../formats/btrfs/filesystem.ts';
import type { BtrfsInode } from '../../formats/btrfs/inode.ts';
import type { BtrfsMount } from '../../formats/btrfs/mount.ts';
import { nameHash } from '../../formats/btrfs/name-hash.ts';
import { deleteOrphanItem } from '../../formats/btrfs/names/orphans.ts';
import { DirItem, FileType } from '../../formats/btrfs/structure/dir.ts';
import { ExtentFlag, ExtentItem } from '../../formats/btrfs/structure/extent.ts';
import { readU64 } from '../../formats/btrfs/structure/fields.ts';
import { ItemType, Key } from '../../formats/btrfs/structure/key.ts';
import { isFsTree } from '../../formats/btrfs/structure/key-names.ts';
import { QgroupInfoItem, QgroupStatusItem } from '../../formats/btrfs/structure/qgroup.ts';
import { createSnapshot, createSubvolume } from '../../formats/btrfs/subvol/create.ts';
import { bury, deleteSubvolume } from '../../formats/btrfs/subvol/delete.ts';
import { TreeDrop } from '../../formats/btrfs/trans/drop-tree.ts';
import { deleteRootItem } from '../../formats/btrfs/trans/root-items.ts';
import { TreeCursor } from '../../formats/btrfs/tree/cursor.ts';
import type { Random } from './random.ts';

const TOP = 256;

export class Trees {
  readonly fs: BtrfsFilesystem;
  readonly mp: BtrfsMount;

  constructor(fs: BtrfsFilesystem) {
    this.fs = fs;
    this.mp = fs.mp;
  }

  /** Makes an empty subvolume in the root directory; answers its id. */
  subvolume(name: string): number {
    return createSubvolume(this.fs.root(), name, 0o755).root.id;
  }

  /** Makes a snapshot of tree `id` in the root directory; answers its id. */
  snapshot(id: number, name: string): number {
    return createSnapshot(this.fs.root(), name, this.mp.root(id), false).root.id;
  }

  /** Deletes a subvolume of the root directory and drops its tree. */
  drop(name: string): void {
    const root = this.fs.root();
    deleteSubvolume(root, Buffer.from(name), root.child(name) as BtrfsInode);
  }

  /** Deletes a subvolume of the root directory in many commits, each after a few blocks; `done` after the first. */
  dropSlowly(name: string, budget: number, done: () => void): void {
    const { fs, mp } = this;
    const root = fs.root();
    const top = root.child(name) as BtrfsInode;
    const tree = top.root;
    mp.change('delete subvolume', 12, () => bury(root, Buffer.from(name), top));
    mp.inodes.forgetTree(tree.id);
    this.commit();
    done();
    const drop = new TreeDrop(mp.trans, tree, tree.keyOffset);
    while (!mp.change('drop tree', budget, () => drop.step(budget))) this.commit();
    mp.change('drop tree', 4, () => {
      deleteRootItem(mp.trans, tree.id);
      deleteOrphanItem(mp.treeRoot, tree.id);
    });
    mp.forgetRoot(tree.id);
    this.commit();
  }

  /** Names and ids of the subvolumes in the root directory. */
  subvolumes(): Map<string, number> {
    const found = new Map<string, number>();
    const root = this.fs.root();
    for (const { name } of root.entries()) {
      const child = name.startsWith('.') ? null : (root.child(name) as BtrfsInode);
      if (child !== null && child.root.id !== root.root.id) found.set(name, child.root.id);
    }
    return found;
  }

  /** Sets an attribute of the root directory of tree `id`. */
  setAttribute(id: number, name: string, value: Buffer): void {
    this.mp.change('set attribute', 1, () => this.put(id, name, value));
  }

  private put(id: number, name: string, value: Buffer): void {
    const cursor = new TreeCursor(this.mp.root(id));
    const bytes = Buffer.from(name);
    const key = new Key(TOP, ItemType.XATTR_ITEM, nameHash(bytes));
    const size = DirItem.size + bytes.length + value.length;
    if (!cursor.search(key)) cursor.insert(key, size);
    else if (cursor.size !== size) cursor.resize(size);
    else cursor.edit();
    const { view, at } = cursor;
    DirItem.encode(view, at, {
      location: new Key(0, 0, 0),
      transid: this.mp.trans.id,
      data_len: value.length,
      name_len: bytes.length,
      type: FileType.XATTR,
    });
    const item = new Uint8Array(view.buffer, view.byteOffset + at, size);
    item.set(bytes, DirItem.size);
    item.set(value, DirItem.size + bytes.length);
    cursor.close();
  }

  removeAttribute(id: number, name: string): void {
    this.mp.change('remove attribute', 1, () => {
      const cursor = new TreeCursor(this.mp.root(id));
      if (!cursor.search(new Key(TOP, ItemType.XATTR_ITEM, nameHash(Buffer.from(name))))) throw new Error(`no ${name}`);
      cursor.delete();
      cursor.close();
    });
  }

  /** Groups of subvolumes whose numbers are not what the extents charged to them add up to. */
  simpleQuotaFaults(): string[] {
    const { mp } = this;
    const quotas = mp.quotaRoot();
    if (quotas === null || !mp.features.simpleQuota) return [];
    const cursor = new TreeCursor(quotas);
    cursor.search(new Key(0, ItemType.QGROUP_STATUS, 0));
    const enabled = QgroupStatusItem.get.enable_gen(cursor.view, cursor.at);
    const sums = this.charged(enabled);
    const faults: string[] = [];
    cursor.search(new Key(0, ItemType.QGROUP_INFO, 0));
    for (; cursor.valid && cursor.key.type === ItemType.QGROUP_INFO; cursor.next()) {
      const id = cursor.key.offset;
      const rfer = QgroupInfoItem.get.rfer(cursor.view, cursor.at);
      const excl = QgroupInfoItem.get.excl(cursor.view, cursor.at);
      const sum = sums.get(id) ?? 0;
      if (rfer !== sum || excl !== sum) faults.push(`0/${id}: rfer ${rfer}, excl ${excl}, extents ${sum}`);
      sums.delete(id);
    }
    for (const [id, sum] of sums) if (sum > 0) faults.push(`0/${id}: no group, extents ${sum}`);
    cursor.close();
    return faults;
  }

  /** Bytes of extents not older than `enabled`, by the tree that allocated them. */
  private charged(enabled: number): Map<number, number> {
    const { mp } = this;
    const sums = new Map<number, number>();
    const cursor = new TreeCursor(mp.extentRoot());
    for (let more = cursor.first(); more; more = cursor.next()) {
      const { key, view, at } = cursor;
      if (key.type !== ItemType.EXTENT_ITEM && key.type !== ItemType.METADATA_ITEM) continue;
      if (ExtentItem.get.generation(view, at) < enabled) continue;
      const data = (ExtentItem.get.flags(view, at) & ExtentFlag.DATA) !== 0;
      const noted = view.getUint8(at + ExtentItem.size) === ItemType.EXTENT_OWNER_REF;
      const owner = data
        ? noted
          ? readU64(view, at + ExtentItem.size + 1)
          : 0
        : mp.blocks.read(key.objectid, key.offset, 0, 0).owner;
      if (isFsTree(owner)) sums.set(owner, (sums.get(owner) ?? 0) + (data ? key.offset : mp.nodeSize));
    }
    cursor.close();
    return sums;
  }

  /** All attributes, in the order of the tree. */
  attributes(id: number): Map<string, Buffer> {
    const found = new Map<string, Buffer>();
    const cursor = new TreeCursor(this.mp.root(id));
    cursor.search(new Key(TOP, ItemType.XATTR_ITEM, 0));
    for (; cursor.valid && cursor.key.type === ItemType.XATTR_ITEM && cursor.key.objectid === TOP; cursor.next()) {
      const { view, at, size } = cursor;
      const item = Buffer.from(new Uint8Array(view.buffer, view.byteOffset + at, size));
      const end = DirItem.size + DirItem.get.name_len(view, at);
      found.set(item.toString('latin1', DirItem.size, end), item.subarray(end));
    }
    cursor.close();
    return found;
  }

  /** An operation that changes a lot and then fails: nothing may be left of it. */
  failingChange(id: number, count: number): void {
    try {
      this.mp.change('fail', 20, () => {
        for (let i = 0; i < count; i++) this.put(id, `user.fail${i}`, Buffer.alloc((i * 37) % 900, 'x'));
        throw new RangeError('on purpose');
      });
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
    }
  }

  /** While `armed`, one of `n` new tree blocks of a running operation is refused with ENOSPC. */
  failingAllocations(random: Random, n: number): { armed: boolean } {
    const faults = { armed: false };
    const { groups, trans } = this.mp;
    const allocMeta = groups.allocMeta.bind(groups);
    groups.allocMeta = (rootId) => {
      if (faults.armed && trans.undoOrNull !== null && random.oneIn(n)) {
        throw new FsError('ENOSPC', { detail: 'on purpose' });
      }
      return allocMeta(rootId);
    };
    return faults;
  }

  commit(): void {
    this.mp.trans.commit();
  }
}

/** Opens the image on these devices for writing. */
export function openTrees(devices: readonly Device[], readOnly = false): Trees {
  const [first, ...others] = devices as [Device, ...Device[]];
  const fs = mountBtrfs(first, {
    readOnly,
    norecovery: false,
    devices: others,
    now: () => ({ seconds: 1_800_000_000, nanoseconds: 0 }),
    owner: { uid: 0, gid: 0, umask: 0o022 },
    random: Math.random,
  });
  return new Trees(fs);
}
