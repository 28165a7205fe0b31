/**
 * Writing metadata blocks to their own places: sorted by address, neighbours in one device write. Every change in
 * them must be durable in the log before; the caller flushes after, and only then may the log's tail move on.
 */
import type { Buf, BufferCache } from '../../../core/buffer-cache.ts';
import { corrupt } from '../../../core/errors.ts';

const RUN_BYTES = 1024 * 1024;
/** What one writev takes on Linux. */
const RUN_PARTS = 1024;

interface Part {
  readonly addr: number;
  readonly bytes: Uint8Array;
}

/** Stamps, checksums and judges a changed block, before anything of it is written. @throws FsError EUCLEAN */
export function sealBuf(buf: Buf, lsn: bigint): void {
  buf.lsn = lsn;
  buf.ops.seal?.(buf, lsn);
  const damage = buf.ops.verify(buf, true);
  if (damage !== null) throw corrupt(damage);
}

/** Writes every dirty block of the cache that no pending change pins; they are clean afterwards. @throws FsError EIO */
export function writeInPlace(cache: BufferCache): number {
  const parts: Part[] = [];
  const written: Buf[] = [];
  for (const buf of cache.dirty) {
    if (buf.pinned || buf.transaction !== 0) continue;
    written.push(buf);
    addParts(parts, buf);
  }
  parts.sort((a, b) => a.addr - b.addr);
  let run: Uint8Array[] = [];
  let start = 0;
  let end = -1;
  for (const part of parts) {
    if (run.length > 0 && (part.addr !== end || end - start >= RUN_BYTES || run.length === RUN_PARTS)) {
      writeRun(cache, start, run);
      run = [];
    }
    if (run.length === 0) start = part.addr;
    run.push(part.bytes);
    end = part.addr + part.bytes.length;
  }
  if (run.length > 0) writeRun(cache, start, run);
  for (const buf of written) cache.markClean(buf);
  return written.length;
}

function writeRun(cache: BufferCache, start: number, run: Uint8Array[]): void {
  if (run.length === 1) cache.device.write(start, run[0] as Uint8Array);
  else cache.device.writev(start, run);
}

function addParts(parts: Part[], buf: Buf): void {
  if (buf.maps.length === 1) {
    parts.push({ addr: buf.addr, bytes: buf.bytes });
    return;
  }
  let at = 0;
  for (const map of buf.maps) {
    parts.push({ addr: map.addr, bytes: buf.bytes.subarray(at, at + map.length) });
    at += map.length;
  }
}
