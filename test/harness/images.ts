/** The shared images of test/images: unpacked sparse into a file, or into a device in memory. */
import { closeSync, ftruncateSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { xxh3 } from '@node-rs/xxhash';
import { MemoryDevice } from '../../core/device/memory.ts';
import { type Gfs2Manifest, parseManifest } from './gfs2-manifest.ts';

/** XFS images whose log is clean. */
export const CLEAN_IMAGES = ['xfs-default', 'xfs-rmap-1k', 'xfs-64k', 'xfs-7.2'] as const;
/** btrfs images on one device without a log. */
export const BTRFS_IMAGES = ['btrfs-default', 'btrfs-compress', 'btrfs-subvol', 'btrfs-old'] as const;
export const EXT4_IMAGES = ['ext4-default'] as const;
/** gfs2 images by the size of their blocks; the last one crashed. What Linux says of them, gfs2Manifest() has. */
export const GFS2_IMAGES = ['gfs2-4k', 'gfs2-512', 'gfs2-dirty'] as const;
export type ImageName =
  | (typeof CLEAN_IMAGES | typeof BTRFS_IMAGES | typeof EXT4_IMAGES)[number]
  | 'xfs-dirty-log'
  | 'xfs-quota'
  | 'ext4-crashed'
  | 'btrfs-log-tree';
/** The two devices of an image: NAME.0 and NAME.1. */
export type PairName = 'btrfs-raid1';
type PartName = ImageName | (typeof GFS2_IMAGES)[number] | `${PairName}.${0 | 1}`;

/** What the kernel reports of one path. Times and 64-bit numbers that JSON would round are text. */
export interface ManifestEntry {
  readonly type: string;
  readonly ino: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly nlink: number;
  readonly size: number;
  readonly mtime_ns: string;
  readonly sha256?: string;
  readonly target?: string;
  readonly xattrs?: Readonly<Record<string, string>>;
  readonly extents?: readonly (readonly [number, number, number, number])[];
}

export interface ImageManifest {
  readonly mkfs: string;
  readonly note: string;
  readonly files: Readonly<Record<string, ManifestEntry>>;
}

// Tests run from a bundle, so the place of this module says nothing; the runner starts them in the root.
const folder = join(process.cwd(), 'test', 'images');

interface Unpacked {
  readonly size: number;
  readonly parts: Iterable<{ readonly addr: number; readonly bytes: Uint8Array }>;
}

function unpack(name: PartName): Unpacked {
  const plain = brotliDecompressSync(readFileSync(join(folder, `${name}.img.br`)));
  const line = plain.indexOf(0x0a);
  const header = JSON.parse(plain.toString('latin1', 0, line)) as { size: number; extents: [number, number][] };
  return { size: header.size, parts: slices(plain.subarray(line + 1), header.extents) };
}

function* slices(data: Uint8Array, extents: readonly (readonly [number, number])[]) {
  let at = 0;
  for (const [addr, length] of extents) {
    yield { addr, bytes: data.subarray(at, at + length) };
    at += length;
  }
}

/** Writes the image as a sparse file at `path`; returns the path. */
export function unpackImage(name: PartName, path: string): string {
  const { size, parts } = unpack(name);
  const fd = openSync(path, 'w', 0o600);
  ftruncateSync(fd, size);
  for (const { addr, bytes } of parts) writeSync(fd, bytes, 0, bytes.length, addr);
  closeSync(fd);
  return path;
}

/** The image as a device in memory. */
export function imageDevice(name: PartName): MemoryDevice {
  const { size, parts } = unpack(name);
  const device = new MemoryDevice(size, { name: `${name}.img` });
  for (const { addr, bytes } of parts) device.write(addr, bytes);
  return device;
}

/** What the kernel says of the image's files. */
export function imageManifest(name: ImageName | PairName): ImageManifest {
  const text = gunzipSync(readFileSync(join(folder, `${name}.json.gz`))).toString('utf8');
  return JSON.parse(text.replace(/"mtime_ns":\s*(-?\d+)/g, '"mtime_ns":"$1"')) as ImageManifest;
}

/** What Linux says of a gfs2 image. */
export function gfs2Manifest(name: (typeof GFS2_IMAGES)[number]): Gfs2Manifest {
  return parseManifest(gunzipSync(readFileSync(join(folder, `${name}.json.gz`))).toString('utf8'));
}

/** A number for an image's bytes, to tell whether anything in it changed. */
export function imageDigest(path: string): bigint {
  const piece = Buffer.allocUnsafe(1 << 20);
  const fd = openSync(path, 'r');
  let sum = 0n;
  for (let length = readSync(fd, piece); length > 0; length = readSync(fd, piece))
    sum = xxh3.xxh64(piece.subarray(0, length), sum);
  closeSync(fd);
  return sum;
}
