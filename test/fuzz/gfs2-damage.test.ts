// time limit: 120 s
/**
 * Damaged gfs2 images: random bits and extreme values in metadata. Whatever the damage, every operation ends, either
 * well or with an FsError; nothing is written.
 */
import { writeSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { crc32, crc32c } from '../../core/checksum.ts';
import type { MemoryDevice } from '../../core/device/memory.ts';
import { OverlayDevice } from '../../core/device/overlay.ts';
import type { Filesystem } from '../../core/vfs/filesystem.ts';
import type { Arguments, OptionSpecs } from '../../core/vfs/word.ts';
import { GFS2_IMAGES, imageDevice } from '../harness/images.ts';
import { mountDevice } from '../harness/mount-device.ts';
import { announceSeed, Random, rounds } from '../harness/random.ts';
import { damageBytes } from './damage-bytes.ts';
import { Attempts, change, look } from './exercise.ts';

const test = suite('gfs2 damage');
const seed = announceSeed('gfs2 damage');
/** No single case may take longer, in milliseconds. */
const PATIENCE = 20_000;
const MAGIC = 0x01161970;
const KINDS = ['', 'sb', 'rg', 'rb', 'di', 'in', 'lf', 'jd', 'lh', 'ld', 'ea', 'ed', 'lb', '', 'qc'];
const SUPER_ADDR = 65536;

interface Block {
  readonly kind: string;
  readonly addr: number;
}

/** Every block that begins as metadata does. */
function findBlocks(device: MemoryDevice, blockSize: number): Block[] {
  const found: Block[] = [];
  const bytes = new Uint8Array(1 << 20);
  const view = new DataView(bytes.buffer);
  for (let addr = 0; addr < device.size; addr += bytes.length) {
    const part = Math.min(bytes.length, device.size - addr);
    device.read(addr, bytes.subarray(0, part));
    for (let at = 0; at < part; at += blockSize) {
      const kind = view.getUint32(at) === MAGIC ? KINDS[view.getUint32(at + 4)] : undefined;
      if (kind !== undefined && kind !== '') found.push({ kind, addr: addr + at });
    }
  }
  return found;
}

/** Makes the checksums fit that a block of this kind has. */
function seal(kind: string, bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (kind === 'rg') {
    view.setUint32(64, 0);
    view.setUint32(64, crc32(bytes.subarray(0, 128)));
  } else if (kind === 'lh') {
    view.setUint32(44, 0);
    view.setUint32(44, crc32(bytes.subarray(0, 48)));
    view.setUint32(48, ~crc32c(bytes.subarray(52)));
  }
}

function askWords(fs: Filesystem, block: number, attempts: Attempts): void {
  const context = {
    fs,
    file: null,
    program: 'fsio',
    size: Number,
    lookup: () => fs.root(),
    usage: () => new Error('usage'),
  };
  const ask = (name: string, ...operands: string[]): void => {
    const found = fs.words?.find((word) => word.name === name);
    const args = { options: {}, operands, words: operands, last: () => null } as unknown as Arguments<OptionSpecs>;
    attempts.try(() => found?.run(context as never, args as never));
  };
  for (const name of ['rgs', 'unlinked', 'journals']) ask(name);
  ask('journal', '0');
  ask('print', String(block));
  for (const name of ['sb', 'master', 'rindex', 'quota', 'statfs']) ask('print', name);
}

function one(base: MemoryDevice, blockSize: number, block: Block, random: Random): Attempts {
  const damaged = new OverlayDevice(base);
  const bytes = new Uint8Array(blockSize);
  base.read(block.addr, bytes);
  const what = Array.from({ length: random.between(1, 3) }, () => damageBytes(bytes, random, false)).join(', ');
  const fits = !random.oneIn(5);
  if (fits) seal(block.kind, bytes);
  damaged.write(block.addr, bytes);
  const label = `${block.kind} at ${block.addr}: ${what}${fits ? ', checksum fits' : ''}`;
  // Written at once: when this case hangs, the runner stops us and the last line tells which it was.
  writeSync(1, `\n# case ${label}`);
  const started = performance.now();
  const attempts = new Attempts();
  const looking = new OverlayDevice(damaged);
  try {
    const options = random.pick([{}, {}, { norecovery: true }, { subvol: 'gfs2meta' }]);
    const fs = attempts.try(() => mountDevice(looking, options));
    if (fs !== null) {
      look(fs, attempts);
      attempts.try(() => fs.spaceMap?.().runs(() => true));
      askWords(fs, block.addr / blockSize, attempts);
      change(fs, attempts);
    }
    assert.is([...looking.written()].length, 0, 'looking changed the image');
  } catch (error) {
    if (error instanceof Error) error.message = `seed ${seed}: ${label}: ${error.message}`;
    throw error;
  }
  const took = performance.now() - started;
  assert.ok(took < PATIENCE, `${label}: took ${Math.round(took)} ms`);
  return attempts;
}

for (const [index, name] of GFS2_IMAGES.entries())
  test(name, () => {
    const base = imageDevice(name);
    const sizeBytes = new Uint8Array(4);
    base.read(SUPER_ADDR + 36, sizeBytes);
    const blockSize = new DataView(sizeBytes.buffer).getUint32(0);
    const blocks = findBlocks(base, blockSize);
    const kinds = [...new Set(blocks.map(({ kind }) => kind))];
    assert.ok(kinds.length >= 8, `found only ${kinds.join(', ')}`);
    const random = new Random(seed + index);
    let refused = 0;
    for (let i = 0; i < rounds(8); i++) {
      const wanted = random.pick(kinds);
      const block = random.pick(blocks.filter(({ kind }) => kind === wanted));
      if (one(base, blockSize, block, random).refused.size > 1) refused++;
    }
    assert.ok(refused > 0, 'no damage was ever noticed');
  });

test.run();
