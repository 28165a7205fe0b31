/** What is known of each subvolume. */
import type { BtrfsMount } from '../mount.ts';
import { Objectid } from '../structure/key.ts';
import { placeOf } from '../subvolume.ts';
import type { TreeRoot } from '../tree/root.ts';
import { subvolumePath } from './paths.ts';
import { localTime } from './template.ts';
import { rootItemKeys } from './trees.ts';

/** A subvolume as `subvolume list` and `show` tell of it. */
export interface SubvolumeInfo {
  readonly id: number;
  /** Generation of the tree, and of its making. */
  readonly generation: number;
  readonly otransid: number;
  /** The subvolume that holds it; 0 for none. */
  readonly parent: number;
  /** The directory there. */
  readonly dirid: number;
  readonly name: string;
  /** From the top of the first subvolume; null if no path leads to it. */
  readonly path: string | null;
  readonly uuid: string | null;
  readonly parentUuid: string | null;
  readonly receivedUuid: string | null;
  /** Local time, null if not known. */
  readonly otime: string | null;
  readonly stime: string | null;
  readonly rtime: string | null;
  readonly stransid: number;
  readonly rtransid: number;
  readonly readOnly: boolean;
  /** Deleted, but blocks are left. */
  readonly deleted: boolean;
}

/** Subvolumes in order of their ids, the first tree only where `all`, deleted ones included. @throws FsError EUCLEAN */
export function* subvolumes(mp: BtrfsMount, all: boolean): Generator<SubvolumeInfo> {
  for (const { objectid } of rootItemKeys(mp.treeRoot)) {
    const own = objectid >= Objectid.FIRST_FREE || (all && objectid === Objectid.FS_TREE);
    if (own) yield subvolumeInfo(mp, mp.root(objectid));
  }
}

/** What is known of one. @throws FsError EUCLEAN */
export function subvolumeInfo(mp: BtrfsMount, root: TreeRoot): SubvolumeInfo {
  const { item, id } = root;
  const place = placeOf(mp, id);
  const deleted = root.refs === 0;
  return {
    id,
    generation: root.generation,
    // Snapshots of old kernels are dated by their key alone.
    otransid: item?.otransid || root.keyOffset,
    parent: place?.parent ?? 0,
    dirid: place?.dirid ?? 0,
    name: place?.name ?? '',
    path: deleted ? null : subvolumePath(mp, id),
    uuid: uuidOf(item?.uuid),
    parentUuid: uuidOf(item?.parent_uuid),
    receivedUuid: uuidOf(item?.received_uuid),
    otime: timeOf(item?.otime),
    stime: timeOf(item?.stime),
    rtime: timeOf(item?.rtime),
    stransid: item?.stransid ?? 0,
    rtransid: item?.rtransid ?? 0,
    readOnly: root.readOnly,
    deleted,
  };
}

function uuidOf(bytes: Uint8Array | undefined): string | null {
  if (bytes === undefined || bytes.every((byte) => byte === 0)) return null;
  const hex = Buffer.from(bytes).toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

function timeOf(time: { readonly sec: number | bigint } | undefined): string | null {
  return time === undefined || time.sec === 0 ? null : localTime(BigInt(time.sec));
}
