// time limit: 200 s
/**
 * Damaged images: random bits and extreme values in metadata, with the checksum left wrong or made to fit. Whatever
 * the damage, every operation ends, either well or with an FsError; looking writes nothing.
 */
import { writeSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { MemoryDevice } from '../../core/device/memory.ts';
import { OverlayDevice } from '../../core/device/overlay.ts';
import { CLEAN_IMAGES, type ImageName, imageDevice } from '../harness/images.ts';
import { mountDevice } from '../harness/mount-device.ts';
import { announceSeed, Random, rounds } from '../harness/random.ts';
import { findBlocks, type MetadataBlock, sealBytes } from './blocks.ts';
import { damageBytes } from './damage-bytes.ts';
import { Attempts, change, look } from './exercise.ts';

const test = suite('damage');
const seed = announceSeed('damage');
const GEOMETRY: Readonly<Record<string, readonly [blockSize: number, inodeSize: number]>> = {
  'xfs-default': [4096, 512],
  'xfs-rmap-1k': [1024, 512],
  'xfs-64k': [65536, 512],
  'xfs-7.2': [4096, 512],
};
/** No single case may take longer, in milliseconds. */
const PATIENCE = 20_000;

function one(base: MemoryDevice, block: MetadataBlock, random: Random): Attempts {
  const damaged = new OverlayDevice(base);
  const bytes = new Uint8Array(block.length);
  base.read(block.addr, bytes);
  const what = Array.from({ length: random.between(1, 3) }, () => damageBytes(bytes, random, false)).join(', ');
  const fits = !random.oneIn(5);
  if (fits) sealBytes(bytes, block.crcOffset);
  damaged.write(block.addr, bytes);
  const label = `${block.kind} at ${block.addr}: ${what}${fits ? ', checksum fits' : ''}`;
  // Written at once: when this case hangs, the runner stops us and the last line tells which it was.
  writeSync(1, `\n# case ${label}`);
  const started = performance.now();
  const attempts = new Attempts();
  const looking = new OverlayDevice(damaged);
  try {
    const fs = attempts.try(() => mountDevice(looking));
    if (fs !== null) {
      look(fs, attempts);
      attempts.try(() => fs.unmount());
    }
    assert.is([...looking.written()].length, 0, 'looking changed the image');
    const changing = attempts.try(() => mountDevice(new OverlayDevice(damaged)));
    if (changing !== null) change(changing, attempts);
  } catch (error) {
    if (error instanceof Error) error.message = `seed ${seed}: ${label}: ${error.message}`;
    throw error;
  }
  const took = performance.now() - started;
  assert.ok(took < PATIENCE, `${label}: took ${Math.round(took)} ms`);
  return attempts;
}

function campaign(name: ImageName, index: number): void {
  const [blockSize, inodeSize] = GEOMETRY[name] as readonly [number, number];
  const base = imageDevice(name);
  const blocks = findBlocks(base, blockSize, inodeSize);
  const kinds = [...new Set(blocks.map((block) => block.kind))];
  assert.ok(kinds.length >= 10, `found only ${kinds.join(', ')}`);
  const random = new Random(seed + index);
  let refused = 0;
  for (let i = 0; i < rounds(25); i++) {
    const wanted = random.pick(kinds);
    const block = random.pick(blocks.filter(({ kind, addr }) => kind === wanted && (kind !== 'sb' || addr === 0)));
    if (one(base, block, random).refused.size > 0) refused++;
  }
  assert.ok(refused > 0, 'no damage was ever noticed');
}

for (const [index, name] of CLEAN_IMAGES.entries()) test(name, () => campaign(name, index));

test.run();
