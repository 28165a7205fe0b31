/** What tells ext2, ext3 and ext4 from other formats; apart, since every start looks at it. */
import type { Device } from '../../core/device/device.ts';

/** Byte address of the primary superblock. */
export const SUPER_OFFSET = 1024;
export const SUPER_MAGIC = 0xef53;
const MAGIC_AT = 0x38;
const LOG_BLOCK_SIZE_AT = 0x18;
const MAX_LOG_BLOCK_SIZE = 6;

/** True if the primary superblock, or the copy in block `copy`, has the magic of ext2, ext3 and ext4. */
export function hasExt4Magic(device: Device, copy = 0): boolean {
  return superblockAddress(device, copy) !== null;
}

/** Byte address of the superblock in block `copy` (0: the primary one), or null if none is there. */
export function superblockAddress(device: Device, copy: number): number | null {
  if (copy === 0) return magicAt(device, SUPER_OFFSET) === null ? null : SUPER_OFFSET;
  // What a block is only the copy itself can tell.
  for (let log = 0; log <= MAX_LOG_BLOCK_SIZE; log++) {
    const addr = copy * SUPER_OFFSET * 2 ** log;
    if (magicAt(device, addr) === log) return addr;
  }
  return null;
}

/** The block size that a superblock tells, as it tells it; null if there is none. */
function magicAt(device: Device, addr: number): number | null {
  if (addr + SUPER_OFFSET > device.size) return null;
  const view = new DataView(new ArrayBuffer(MAGIC_AT + 2));
  device.read(addr, new Uint8Array(view.buffer));
  return view.getUint16(MAGIC_AT, true) === SUPER_MAGIC ? view.getUint32(LOG_BLOCK_SIZE_AT, true) : null;
}
