/** Metadata blocks of an XFS image, found by their magic numbers; with where each keeps its checksum. */

import { crc32cSkipping } from '../../core/checksum.ts';
import type { Device } from '../../core/device/device.ts';

/** A block, inode or header. Addresses and lengths are bytes. */
export interface MetadataBlock {
  readonly kind: string;
  readonly addr: number;
  readonly length: number;
  readonly crcOffset: number;
}

interface Kind {
  readonly kind: string;
  readonly magic: number;
  /** Where the magic lies: most have it first, da blocks after their siblings. */
  readonly at: number;
  readonly size: 2 | 4;
  readonly crcOffset: number;
  readonly unit: 'sector' | 'block' | 'inode';
}

const kind = (
  name: string,
  magic: number,
  crcOffset: number,
  unit: Kind['unit'] = 'block',
  at = 0,
  size: 2 | 4 = 4,
): Kind => ({
  kind: name,
  magic,
  at,
  size,
  crcOffset,
  unit,
});

const KINDS: readonly Kind[] = [
  kind('sb', 0x58465342, 224, 'sector'),
  kind('agf', 0x58414746, 216, 'sector'),
  kind('agi', 0x58414749, 312, 'sector'),
  kind('agfl', 0x5841464c, 32, 'sector'),
  kind('bnobt', 0x41423342, 52),
  kind('cntbt', 0x41423343, 52),
  kind('inobt', 0x49414233, 52),
  kind('finobt', 0x46494233, 52),
  kind('rmapbt', 0x524d4233, 52),
  kind('refcountbt', 0x52334643, 52),
  kind('bmbt', 0x424d4133, 64),
  kind('dir block', 0x58444233, 4),
  kind('dir data', 0x58444433, 4),
  kind('dir free', 0x58444633, 4),
  kind('dir leaf1', 0x3df1, 12, 'block', 8, 2),
  kind('dir leafn', 0x3dff, 12, 'block', 8, 2),
  kind('da node', 0x3ebe, 12, 'block', 8, 2),
  kind('attr leaf', 0x3bee, 12, 'block', 8, 2),
  kind('attr remote', 0x5841524d, 12),
  kind('symlink', 0x58534c4d, 12),
  kind('inode', 0x494e, 100, 'inode', 0, 2),
];

/** Every metadata block of a v5 image with 512-byte sectors, by address. */
export function findBlocks(
  device: Device,
  blockSize: number,
  inodeSize: number,
  dirBlockSize = Math.max(blockSize, 4096),
): MetadataBlock[] {
  const found: MetadataBlock[] = [];
  const bytes = new Uint8Array(1 << 20);
  for (let addr = 0; addr < device.size; addr += bytes.length) {
    const part = bytes.subarray(0, Math.min(bytes.length, device.size - addr));
    device.read(addr, part);
    const view = new DataView(part.buffer, 0, part.length);
    for (let at = 0; at < part.length; at += 512) {
      if (view.getUint32(at) === 0 && view.getUint32(at + 8) === 0) continue;
      const one = identify(view, at);
      if (one === null) continue;
      const lengths = one.unit === 'sector' ? [512] : one.unit === 'inode' ? [inodeSize] : [blockSize, dirBlockSize];
      if (one.unit === 'block' && (addr + at) % blockSize !== 0) continue;
      if (one.unit === 'inode' && (addr + at) % inodeSize !== 0) continue;
      // Data and old blocks may look like metadata: a checksum that fits says that it is.
      const length = lengths.find(
        (size) => at + size <= part.length && hasGoodCrc(part.subarray(at, at + size), one.crcOffset),
      );
      if (length !== undefined) found.push({ kind: one.kind, addr: addr + at, length, crcOffset: one.crcOffset });
    }
  }
  return found;
}

function identify(view: DataView, at: number): Kind | null {
  for (const one of KINDS) {
    const magic = one.size === 4 ? view.getUint32(at + one.at) : view.getUint16(at + one.at);
    if (magic === one.magic) return one;
  }
  return null;
}

function hasGoodCrc(bytes: Uint8Array, crcOffset: number): boolean {
  const stored = new DataView(bytes.buffer, bytes.byteOffset).getUint32(crcOffset, true);
  return crc32cSkipping(bytes, crcOffset) === stored;
}

/** Makes the checksum fit again. */
export function sealBytes(bytes: Uint8Array, crcOffset: number): void {
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(crcOffset, crc32cSkipping(bytes, crcOffset), true);
}
