/** Mounts a device in this process, with time and chance fixed. */
import type { Device } from '../../core/device/device.ts';
import type { Filesystem, MountOptions } from '../../core/vfs/filesystem.ts';
import { mount } from '../../formats/probe.ts';

/** @throws FsError what mounting refused */
export function mountDevice(device: Device, options: Partial<MountOptions> = {}): Filesystem {
  let chance = 1;
  return mount(device, {
    readOnly: false,
    norecovery: false,
    devices: [],
    now: () => ({ seconds: 1_800_000_000, nanoseconds: 0 }),
    owner: { uid: 0, gid: 0, umask: 0o022 },
    random: () => {
      chance = (Math.imul(chance, 1664525) + 1013904223) >>> 0;
      return chance / 0x1_0000_0000;
    },
    ...options,
  });
}
