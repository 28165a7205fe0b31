/** What tells gfs2 from other formats; apart, since every start looks at it. */
import type { Device } from '../../core/device/device.ts';

const SUPER_ADDR = 64 * 1024;

/** True if a superblock of gfs2 (or of its forerunner gfs1, which has the same magic) is where it should be. */
export function hasGfs2Magic(device: Device): boolean {
  if (device.size < SUPER_ADDR + 512) return false;
  const bytes = new Uint8Array(8);
  device.read(SUPER_ADDR, bytes);
  const view = new DataView(bytes.buffer);
  return view.getUint32(0) === 0x01161970 && view.getUint32(4) === 1;
}
