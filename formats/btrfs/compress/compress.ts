/**
 * Compressing what is written: one extent of at most 128 KiB at a time, in the form that decompress.ts and Linux read
 * (kernel: fs/btrfs/compression.c, zlib.c, lzo.c, zstd.c).
 */
import { constants, deflateSync } from 'node:zlib';
import { FsError } from '../../../core/errors.ts';
import { Compression } from '../structure/file-extent.ts';
import { lzo1xEncode, lzo1xWorst } from './lzo1x-encode.ts';
import { zstdCompress } from './zstd.ts';

/** Bytes of a file that one compressed extent holds at most. */
export const MAX_COMPRESSED_EXTENT = 128 * 1024;

/** `data` compressed by `kind` at `level` (0: the usual one), or null if that does not make it smaller. */
export function compress(kind: number, level: number, data: Uint8Array, sectorSize: number): Uint8Array | null {
  let out: Uint8Array | null;
  if (kind === Compression.ZSTD) out = zstdIfThere(data, level || 3);
  else if (kind === Compression.LZO) out = lzoCompress(data, sectorSize);
  else
    out = deflateSync(data, {
      level: level || 3,
      chunkSize: data.length + 1024,
      strategy: constants.Z_DEFAULT_STRATEGY,
    });
  return out === null || out.length >= data.length ? null : out;
}

/** As Linux does where compressing fails for any reason, a file is written as it is where the library is missing. */
function zstdIfThere(data: Uint8Array, level: number): Uint8Array | null {
  try {
    return zstdCompress(data, level);
  } catch (error) {
    if (error instanceof FsError && error.code === 'ELIBACC') return null;
    throw error;
  }
}

/** LZO as btrfs frames it (lzo.ts); null if it gives up because it grows. */
function lzoCompress(data: Uint8Array, sectorSize: number): Uint8Array | null {
  const segments = Math.ceil(data.length / sectorSize);
  const out = new Uint8Array(8 + segments * (lzo1xWorst(sectorSize) + 8));
  const view = new DataView(out.buffer);
  let end = 4;
  for (let at = 0; at < data.length; at += sectorSize) {
    const start = end + 4;
    end = lzo1xEncode(data.subarray(at, Math.min(at + sectorSize, data.length)), out, start);
    view.setUint32(start - 4, end - start, true);
    const left = sectorSize - (end % sectorSize);
    // The next length must not cross a sector.
    if (left < 4) {
      out.fill(0, end, end + left);
      end += left;
    }
    const taken = Math.min(at + sectorSize, data.length);
    if (taken > 2 * sectorSize && taken < end) return null;
  }
  view.setUint32(0, end, true);
  return out.subarray(0, end);
}
