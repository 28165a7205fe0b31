/**
 * What differs between two states of an XFS image. Both are looked at with clean logs (a dirty one is replayed in
 * memory first). The bytes that differ lead to structures, each read in both states through its verifier: headers and
 * inodes are compared field by field; btrees as sets of records, so that records which only moved to another block are
 * no difference; what is no metadata belongs to the files whose extents cover it.
 */
import { OverlayDevice } from '../../../core/device/overlay.ts';
import { FsError } from '../../../core/errors.ts';
import type { ByteRange, ImageState, StructureChange } from '../../../core/vfs/changes.ts';
import type { MountOptions } from '../../../core/vfs/filesystem.ts';
import { mountXfs } from '../filesystem.ts';
import type { XfsMount } from '../mount.ts';
import { blockChanges } from './blocks.ts';
import { dataChanges } from './data.ts';
import { differingBlocks } from './differing.ts';
import { headerChanges } from './group-headers.ts';
import { inodeChanges } from './inodes.ts';
import type { Pair } from './pair.ts';
import { quotaChanges } from './quota.ts';
import { realtimeChanges } from './realtime.ts';
import { agTreeChanges } from './trees.ts';

/** As core's DescribeChanges. */
export function* describeXfsChanges(
  before: ImageState,
  after: ImageState,
  ranges: readonly ByteRange[] | null,
): Iterable<StructureChange> {
  const was = openClean(before);
  const is = openClean(after);
  if (!sameGeometry(was.mp, is.mp)) {
    throw new FsError('EINVAL', { detail: 'images of different geometry are not compared' });
  }
  const all = ranges === null ? null : [...ranges, ...was.replayed, ...is.replayed];
  const { blocks, logBlocks } = differingBlocks(was.mp, is.mp, all);
  const pair: Pair = { was: was.mp, is: is.mp };
  yield* headerChanges(pair, blocks);
  yield* agTreeChanges(pair, blocks);
  const inodes = yield* inodeChanges(pair, blocks);
  yield* quotaChanges(pair, blocks);
  yield* realtimeChanges(pair, blocks);
  yield* blockChanges(pair, blocks);
  yield* dataChanges(pair, blocks, inodes);
  if (logBlocks > 0) {
    yield {
      structure: 'log',
      change: 'data',
      addr: is.mp.fsbToAddr(is.mp.logStart),
      start: 0,
      length: logBlocks * is.mp.blockSize,
    };
  }
}

interface Opened {
  readonly mp: XfsMount;
  /** Where replaying the log changed bytes. */
  readonly replayed: readonly ByteRange[];
}

const options: Omit<MountOptions, 'devices' | 'readOnly'> = {
  norecovery: false,
  now: () => ({ seconds: 0, nanoseconds: 0 }),
  owner: { uid: 0, gid: 0, umask: 0 },
  random: () => 0,
};

/** The image with its log clean: replayed over it in memory if it is not. */
function openClean({ device, devices }: ImageState): Opened {
  const first = mountXfs(device, { ...options, devices, readOnly: true });
  if (first.mp.log.found().clean) return { mp: first.mp, replayed: [] };
  const over = new OverlayDevice(device);
  const others = devices.map((other) => new OverlayDevice(other));
  const fs = mountXfs(over, { ...options, devices: others, readOnly: false });
  fs.mp.log.start();
  fs.unmount();
  return { mp: mountXfs(over, { ...options, devices: others, readOnly: true }).mp, replayed: [...over.changes()] };
}

function sameGeometry(a: XfsMount, b: XfsMount): boolean {
  const facts = (mp: XfsMount) =>
    [
      mp.blockSize,
      mp.agCount,
      mp.agBlocks,
      mp.dataBlocks,
      mp.inodeSize,
      mp.logStart,
      mp.logBlocks,
      mp.features.v5,
    ].join();
  return facts(a) === facts(b);
}
