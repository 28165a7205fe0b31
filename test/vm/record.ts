/** What the campaigns of a power loss share: images that the second kernel filled, a record of fsio's writes, its cuts. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { FileDevice } from '../../core/device/file.ts';
import { OverlayDevice } from '../../core/device/overlay.ts';
import { type RecordedEvent, RecorderDevice } from '../../core/device/recorder.ts';
import type { MountOptions } from '../../core/vfs/filesystem.ts';
import type { Cut } from '../crash/cuts.ts';
import { memberCrashes } from '../crash/member-cuts.ts';
import { copyImage } from '../harness/kernel.ts';
import { mountDevice } from '../harness/mount-device.ts';
import { type Kind, makeKind } from './kinds.ts';
import { boot } from './machine.ts';

/** Images of each kind, on which the kernel ran what `fill` says, in about `seconds` each. */
export function filledBases(
  dir: string,
  kinds: readonly Kind[],
  fill: (images: readonly string[], kind: Kind) => string,
  seconds: number,
): string[][] {
  const bases = kinds.map((kind, i) => {
    const at = join(dir, `base-${i}`);
    mkdirSync(at, { recursive: true });
    return makeKind(at, kind);
  });
  const job = bases.map((images, i) => fill(images, kinds[i] as Kind));
  boot(dir, ['mkdir -p /mnt/x', ...job, 'true'].join('\n'), 120 + seconds * bases.length);
  return bases;
}

/** Copies of the images in `dir`, mounted so that everything written to them is recorded. */
export function recorded(dir: string, base: readonly string[], options: Partial<MountOptions> = {}) {
  mkdirSync(dir, { recursive: true });
  const images = base.map((image, i) => copyImage(image, join(dir, `start.${i}`)));
  const events: RecordedEvent[] = [];
  const devices = images.map((image, i) => new RecorderDevice(new OverlayDevice(new FileDevice(image)), events, i));
  const [data, ...others] = devices as [RecorderDevice, ...RecorderDevice[]];
  return { images, events, data, fs: mountDevice(data, { ...options, devices: others }) };
}

/** Keeps what each cut left: in a directory of its own, which `found` makes something of. */
export function keptCuts<T>(
  dir: string,
  { images, events }: { readonly images: readonly string[]; readonly events: readonly RecordedEvent[] },
  list: readonly Cut[],
  found: (at: string, images: readonly string[], cut: Cut) => T,
): T[] {
  const all: T[] = [];
  memberCrashes(dir, images, events, list, (crashed, cut) => {
    const at = join(dir, `cut-${all.length}`);
    mkdirSync(at);
    const kept = crashed.map((image, i) => copyImage(image, join(at, `image.${i}`)));
    all.push(found(at, kept, cut));
  });
  return all;
}
