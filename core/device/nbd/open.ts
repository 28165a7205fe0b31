import type { Device } from '../device.ts';
import { NbdDevice } from './nbd.ts';

/** Connects to a network block export. @throws FsError EINVAL, ENOENT, EOPNOTSUPP, EACCES, EIO */
export function openNbd(name: string, options: { readOnly?: boolean }): Device {
  return new NbdDevice(name, options);
}
