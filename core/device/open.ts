/** From what the user names to a device. A new kind of device joins here by one line. */
import { type Stats, statSync } from 'node:fs';
import { FsError } from '../errors.ts';
import { BlockDevice } from './block.ts';
import type { Device } from './device.ts';
import { diskForm, FORM_BYTES } from './disk-form.ts';
import { FileDevice, type OpenDeviceOptions } from './file.ts';
import { hostError } from './host-error.ts';
import { openNbd } from './nbd/open.ts';
import { openForm } from './qemu.ts';

/**
 * Opens an image file (raw, or in a form that QEMU knows), block device or network block export for reading; enableWrites() makes it writable.
 * @throws FsError ENOENT, EACCES, EISDIR, EINVAL (neither file nor block device), EBUSY (in use elsewhere)
 */
export function openDevice(name: string, options: OpenDeviceOptions = {}): Device {
  if (/^nbds?(\+[a-z]+)?:\/\//.test(name)) return openNbd(name, options);
  const stats = statOf(name);
  if (stats.isFile()) return openFile(name, options);
  if (stats.isBlockDevice()) return new BlockDevice(name, options);
  if (stats.isDirectory()) throw new FsError('EISDIR', { path: name });
  throw new FsError('EINVAL', { path: name, detail: 'neither a file nor a block device' });
}

function openFile(name: string, options: OpenDeviceOptions): Device {
  const file = new FileDevice(name, options);
  const start = new Uint8Array(FORM_BYTES);
  if (file.size >= start.length) file.read(0, start);
  const form = diskForm(start);
  if (form === null) return file;
  file.close();
  return openForm(name, form, options);
}

function statOf(name: string): Stats {
  try {
    return statSync(name);
  } catch (error) {
    throw hostError(error, name);
  }
}
