/** What tells ext2, ext3 and ext4 from other formats; apart, since every start looks at it. */
import type { Device } from '../../core/device/device.ts';

const MAGIC_OFFSET = 1024 + 0x38;

/** True if the magic of ext2, ext3 and ext4 is where their superblock has it. */
export function hasExt4Magic(device: Device): boolean {
  if (device.size < 2048) return false;
  const bytes = new Uint8Array(2);
  device.read(MAGIC_OFFSET, bytes);
  return bytes[0] === 0x53 && bytes[1] === 0xef;
}
