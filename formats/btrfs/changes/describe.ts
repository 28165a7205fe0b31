/**
 * What differs between two states of a btrfs image: the superblock's fields, and every tree as a set of items by key,
 * those in both compared field by field, with dump-tree's names; and data overwritten in place. A log tree of the first
 * state is replayed before, in memory: what it changes is nothing that was asked for.
 */

import { OverlayDevice } from '../../../core/device/overlay.ts';
import { FsError } from '../../../core/errors.ts';
import type { ByteRange, ImageState, StructureChange } from '../../../core/vfs/changes.ts';
import type { MountOptions } from '../../../core/vfs/filesystem.ts';
import { mountBtrfs } from '../filesystem.ts';
import { rootItemKeys, treeRootOf, treeTitle } from '../inspect/trees.ts';
import { type BtrfsMount, openMount } from '../mount.ts';
import { Objectid } from '../structure/key.ts';
import { isFsTree } from '../structure/key-names.ts';
import { dataChanges, withoutSums } from './data.ts';
import { type ItemBytes, itemChanges } from './items.ts';
import { changedLeaves } from './leaves.ts';

/** As core's DescribeChanges; that ranges are known says only that the second state came from the first. */
export function* describeBtrfsChanges(
  before: ImageState,
  after: ImageState,
  ranges: readonly ByteRange[] | null = null,
): Iterable<StructureChange> {
  const committed = open(before);
  // Of two images any two blocks may differ, although they have the same place and age.
  const shared = ranges === null ? -1 : committed.sb.generation;
  const was = committed.sb.log_root === 0 ? committed : replayed(before);
  const is = open(after);
  if (was.nodeSize !== is.nodeSize || was.sectorSize !== is.sectorSize)
    throw new FsError('EINVAL', { detail: 'images of different geometry are not compared' });
  yield* superblockChanges(was, is);
  const ids = new Set<number>([Objectid.ROOT_TREE, Objectid.CHUNK_TREE, ...treeIds(was), ...treeIds(is)]);
  for (const id of [...ids].sort((a, b) => a - b)) yield* treeChanges(was, is, id, shared);
}

const options: Omit<MountOptions, 'devices'> = {
  readOnly: true,
  norecovery: false,
  now: () => ({ seconds: 0, nanoseconds: 0 }),
  owner: { uid: 0, gid: 0, umask: 0 },
  random: () => 0,
};

function open({ device, devices }: ImageState): BtrfsMount {
  return openMount(device, { ...options, devices });
}

/** The state after the log was replayed, and written to memory. */
function replayed({ device, devices }: ImageState): BtrfsMount {
  const first = new OverlayDevice(device);
  const others = devices.map((each) => new OverlayDevice(each));
  const fs = mountBtrfs(first, { ...options, readOnly: false, devices: others });
  fs.mp.change('replay', 0, () => {});
  fs.sync();
  return open({ device: first, devices: others });
}

function treeIds(mp: BtrfsMount): number[] {
  return [...rootItemKeys(mp.treeRoot)].map((key) => key.objectid);
}

/** Fields of the superblock that follow from others, or are told by the trees they point to. */
const PASSED_OVER = new Set(['csum', 'sys_chunk_array', 'super_roots']);

function* superblockChanges(was: BtrfsMount, is: BtrfsMount): Generator<StructureChange> {
  const old = was.sb as unknown as Record<string, unknown>;
  const now = is.sb as unknown as Record<string, unknown>;
  for (const field of Object.keys(now)) {
    if (PASSED_OVER.has(field)) continue;
    const [from, to] = [valueText(old[field]), valueText(now[field])];
    if (from !== to) yield { structure: 'superblock', change: 'field', addr: 65536, field, from, to };
  }
}

function valueText(value: unknown): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (typeof value !== 'object' || value === null) return String(value);
  return JSON.stringify(value, (_, part) => (typeof part === 'bigint' ? String(part) : part));
}

function* treeChanges(was: BtrfsMount, is: BtrfsMount, id: number, shared: number): Generator<StructureChange> {
  const title = id >= Objectid.FIRST_FREE ? `subvolume ${id}` : `${treeTitle(id)} tree`;
  const old = rootOf(was, id);
  const now = rootOf(is, id);
  if (old === null && now !== null) yield { structure: title, change: 'add', addr: null };
  if (old !== null && now === null) yield { structure: title, change: 'remove', addr: null };
  const leaves = changedLeaves(was, old, is, now, shared);
  const [before, after] = [gathered(leaves.old), gathered(leaves.now)];
  yield* itemChanges(title, is, before, after);
  for (const ino of isFsTree(id) ? withoutSums(before, after) : [])
    yield* dataChanges(title, ino, [was, treeRootOf(was, id)], [is, treeRootOf(is, id)]);
}

function rootOf(mp: BtrfsMount, id: number) {
  try {
    return treeRootOf(mp, id).node();
  } catch (error) {
    // A tree that the state does not have.
    if (error instanceof FsError && error.code === 'ENOENT') return null;
    throw error;
  }
}

function gathered(items: Iterable<ItemBytes>): Map<string, ItemBytes> {
  const found = new Map<string, ItemBytes>();
  for (const item of items) found.set(String(item.id), item);
  return found;
}
