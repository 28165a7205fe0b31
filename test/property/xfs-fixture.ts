/** Fresh XFS images for the tests of the format's own layers: small blocks, so that trees grow high. */
import { join } from 'node:path';
import { openDevice } from '../../core/device/open.ts';
import { mountXfs, type XfsFilesystem } from '../../formats/xfs/filesystem.ts';
import { makeXfs } from '../harness/kernel.ts';
import type { Random } from '../harness/random.ts';
import { scratch } from '../harness/scratch.ts';

let count = 0;

/** A new image file made by mkfs.xfs with these arguments. */
export function freshImage(args: string, bytes = 320 * 2 ** 20): string {
  const path = join(scratch(), `${count++}.img`);
  return makeXfs(path, { args: args.split(' ').filter((word) => word !== ''), bytes });
}

/** Opens an image for changes, with chance and time that repeat. */
export function openImage(path: string, random: Random): XfsFilesystem {
  return mountXfs(openDevice(path), {
    readOnly: false,
    norecovery: false,
    devices: [],
    now: () => ({ seconds: 1_700_000_000, nanoseconds: 0 }),
    owner: { uid: 0, gid: 0, umask: 0o22 },
    random: () => random.unit(),
  });
}
