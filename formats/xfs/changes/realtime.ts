/**
 * The realtime device: which of its extents came free or into use (the bitmap), how many free runs the summary counts
 * of each size, and bytes of realtime files. Without the device bytes are not compared.
 */
import type { StructureChange } from '../../../core/vfs/changes.ts';
import { forkLookup } from '../bmap-fork.ts';
import { Extent } from '../extent.ts';
import type { XfsInode } from '../inode.ts';
import { extentsPerBlock } from '../rt/bitmap.ts';
import type { Differing } from './differing.ts';
import { changedBlocks } from './file-blocks.ts';
import { bytesAt, type Pair } from './pair.ts';

const CHUNK = 1 << 20;

export function* realtimeChanges({ was, is }: Pair, blocks: Differing): Generator<StructureChange> {
  const { features, sb } = is;
  if (!features.realtime || features.rtgroups || sb.rbmino === null || sb.rsumino === null) return;
  for (const { addr, block } of changedBlocks(is, sb.rbmino, sb.rbmblocks, blocks)) {
    yield* bitmapChanges(bytesAt(was.device, addr, is.blockSize), bytesAt(is.device, addr, is.blockSize), addr, {
      first: block * extentsPerBlock(is),
      end: Math.min(sb.rextents, (block + 1) * extentsPerBlock(is)),
    });
  }
  const words = (sb.rextslog + 1) * sb.rbmblocks;
  const summaryBlocks = Math.ceil((words * 4) / is.blockSize);
  for (const { addr, block } of changedBlocks(is, sb.rsumino, summaryBlocks, blocks)) {
    const before = bytesAt(was.device, addr, is.blockSize);
    const after = bytesAt(is.device, addr, is.blockSize);
    for (let at = 0; at < is.blockSize; at += 4) {
      const from = Buffer.from(before.buffer).readUInt32LE(at);
      const to = Buffer.from(after.buffer).readUInt32LE(at);
      if (from === to) continue;
      const word = (block * is.blockSize + at) / 4;
      const field = `rsum[${Math.floor(word / sb.rbmblocks)},${word % sb.rbmblocks}]`;
      yield { structure: 'rtsummary', change: 'field', addr, field, from: String(from), to: String(to) };
    }
  }
}

/** Free runs that came (added records of `[first, count]`) and that went. */
function* bitmapChanges(
  before: Uint8Array,
  after: Uint8Array,
  addr: number,
  { first, end }: { readonly first: number; readonly end: number },
): Generator<StructureChange> {
  const bit = (bytes: Uint8Array, index: number) => ((bytes[index >>> 3] as number) >>> (index & 7)) & 1;
  const change = (index: number) => bit(after, index) - bit(before, index);
  const count = end - first;
  for (let at = 0; at < count; ) {
    const here = change(at);
    let stop = at + 1;
    while (stop < count && change(stop) === here) stop++;
    const record = `[${first + at},${stop - at}]`;
    if (here !== 0) yield { structure: 'rtbitmap', change: here > 0 ? 'add' : 'remove', addr, record };
    at = stop;
  }
}

/** Bytes of a realtime file. */
export function* realtimeData({ was, is }: Pair, ip: XfsInode): Generator<StructureChange> {
  if (was.rtDevice === null || is.rtDevice === null) return;
  const extent = new Extent();
  for (let off = 0; forkLookup(ip, 'data', off, extent); off = extent.end) {
    const addr = is.rtbToAddr(extent.block);
    const length = extent.count * is.blockSize;
    for (let at = 0; at < length; at += CHUNK) {
      const size = Math.min(CHUNK, length - at);
      yield* differingBytes(ip.ino, extent.off * is.blockSize + at, addr + at, {
        before: bytesAt(was.rtDevice, addr + at, size),
        after: bytesAt(is.rtDevice, addr + at, size),
        unit: is.blockSize,
      });
    }
  }
}

function* differingBytes(
  ino: number,
  start: number,
  addr: number,
  { before, after, unit }: { readonly before: Uint8Array; readonly after: Uint8Array; readonly unit: number },
): Generator<StructureChange> {
  const differs = (at: number) => Buffer.compare(before.subarray(at, at + unit), after.subarray(at, at + unit)) !== 0;
  for (let at = 0; at < after.length; ) {
    let end = at;
    while (end < after.length && differs(end)) end += unit;
    if (end > at)
      yield { structure: `inode ${ino}`, change: 'data', addr: addr + at, start: start + at, length: end - at };
    at = end + unit;
  }
}
