/** What tells whether an image is still the one that an overlay was made for. */
import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import type { Device } from '../device.ts';
import { IDENTITY_BYTES, type Identity } from './format.ts';

/** Size, time of the last change and first bytes of an image, as they are now. @throws FsError EIO */
export function identityOf(image: Device): Identity {
  const start = new Uint8Array(Math.min(IDENTITY_BYTES, image.size));
  image.read(0, start);
  return { size: image.size, mtime: mtimeOf(image.name), start: createHash('sha256').update(start).digest() };
}

function mtimeOf(name: string): bigint {
  try {
    const stats = statSync(name, { bigint: true });
    return stats.isFile() ? stats.mtimeNs : 0n;
  } catch {
    // An export of a server: it has no times.
    return 0n;
  }
}

/** How the image differs from what it was, or null. */
export function differenceOf(was: Identity, is: Identity): string | null {
  if (was.size !== is.size) return `it had ${was.size} bytes and has ${is.size}`;
  if (!Buffer.from(was.start).equals(is.start)) return 'its first blocks have changed';
  if (was.mtime !== is.mtime) return 'it was written to since';
  return null;
}
