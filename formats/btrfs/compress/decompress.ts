/** What a compressed extent holds. A broken one is an error that says so; none gives more than was asked for. */
import { inflateSync } from 'node:zlib';
import { FsError } from '../../../core/errors.ts';
import { lzoDecompress } from './lzo.ts';
import { BrokenStream } from './lzo1x.ts';
import { zstdDecompress } from './zstd.ts';

/** btrfs_file_extent_item.compression. */
export const Compression = { NONE: 0, ZLIB: 1, LZO: 2, ZSTD: 3 } as const;

const NAMES = ['none', 'zlib', 'lzo', 'zstd'] as const;

/** The name of a compression, as btrfs property and dump-tree print it. */
export function compressionName(kind: number): string {
  return NAMES[kind] ?? `compression ${kind}`;
}

/**
 * The first `size` bytes that `data` holds; where it holds less, zeros follow. `where` says whose data it is.
 * @throws FsError EIO for broken data, EOPNOTSUPP for an unknown kind
 */
export function decompress(
  kind: number,
  data: Uint8Array,
  size: number,
  sectorSize: number,
  where: () => string,
): Uint8Array {
  try {
    if (kind === Compression.ZLIB) return inflate(data, size);
    const into = new Uint8Array(size);
    if (kind === Compression.LZO) lzoDecompress(data, into, sectorSize);
    else if (kind === Compression.ZSTD) zstdDecompress(data, into);
    else throw new FsError('EOPNOTSUPP', { detail: `${where()}: unknown compression ${kind}` });
    return into;
  } catch (error) {
    if (!(error instanceof BrokenStream)) throw error;
    throw new FsError('EIO', { detail: `${where()}: broken ${compressionName(kind)} data: ${error.message}` });
  }
}

function inflate(data: Uint8Array, size: number): Uint8Array {
  let out: Uint8Array;
  try {
    // In one piece: as much room as an extent can need, one call into the library.
    out = inflateSync(data, { chunkSize: Math.max(size, 64) + 64, maxOutputLength: 2 * Math.max(size, 64 * 1024) });
  } catch (error) {
    throw new BrokenStream(error instanceof Error ? error.message : String(error));
  }
  if (out.length === size) return out;
  if (out.length > size) return out.subarray(0, size);
  const padded = new Uint8Array(size);
  padded.set(out);
  return padded;
}
