/** The file of --overlay against a model: every state that a crash leaves is the one of the last flush. */
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  readFileSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FileDevice } from '../../../core/device/file.ts';
import { OverlayFile } from '../../../core/device/overlay/file.ts';
import { announceSeed, Random } from '../../harness/random.ts';
import { scratch } from '../../harness/scratch.ts';

const seed = announceSeed('overlay file');
const SIZE = 300_000; // no multiple of a block

function setup(): { image: string; file: string; bytes: Buffer } {
  const dir = scratch(true);
  const bytes = Buffer.from(Array.from({ length: SIZE }, (_, i) => (i * 31) % 251));
  const image = join(dir, 'image');
  writeFileSync(image, bytes);
  return { image, file: join(dir, 'overlay'), bytes };
}

const open = (image: string, file: string) => new OverlayFile(new FileDevice(image), file);

function contents(device: OverlayFile): Buffer {
  const all = Buffer.alloc(device.size);
  device.read(0, all);
  return all;
}

test('random writes, rollbacks and restarts: what is read is what was written, the image stays', () => {
  const random = new Random(seed);
  const { image, file, bytes } = setup();
  const before = statSync(image, { bigint: true });
  const model = Buffer.from(bytes);
  let device = open(image, file);
  assert.not.ok(existsSync(file), 'no file before the first change');
  device.enableWrites();
  for (let i = 0; i < 400; i++) {
    const length = random.below(3) === 0 ? random.below(40_000) : random.below(600);
    const addr = random.below(SIZE - length);
    const data = Buffer.alloc(length, random.below(256));
    device.writev(addr, [data.subarray(0, length >> 1), data.subarray(length >> 1)]);
    data.copy(model, addr);
    if (random.below(20) === 0) {
      const mark = device.snapshot();
      device.write(random.below(1000), Buffer.alloc(5000, 7));
      device.rollback(mark);
    }
    if (random.below(30) === 0) {
      device.flush();
      device.close();
      device = open(image, file);
      device.enableWrites();
    }
    const at = random.below(SIZE - 1000);
    const piece = Buffer.alloc(1000);
    device.read(at, piece);
    assert.ok(piece.equals(model.subarray(at, at + 1000)));
  }
  assert.ok(contents(device).equals(model));
  assert.ok(readFileSync(image).equals(bytes));
  assert.is(statSync(image, { bigint: true }).mtimeNs, before.mtimeNs);
  device.flush();
  assert.ok(device.commit() > 0);
  assert.not.ok(existsSync(file));
  device.close();
  assert.ok(readFileSync(image).equals(model));
});

test('cut off or torn anywhere: the state of a flush, and never less than the last one that returned', () => {
  const random = new Random(seed);
  const { image, file, bytes } = setup();
  const device = open(image, file);
  device.enableWrites();
  const states: { end: number; bytes: Buffer }[] = [{ end: 0, bytes: Buffer.from(bytes) }];
  const model = Buffer.from(bytes);
  for (let i = 0; i < 12; i++) {
    for (let j = 0; j < 4; j++) {
      const addr = random.below(SIZE - 9000);
      const data = Buffer.alloc(random.below(9000) + 1, random.below(256));
      device.write(addr, data);
      data.copy(model, addr);
    }
    device.flush();
    states.push({ end: statSync(file).size, bytes: Buffer.from(model) });
  }
  device.close();
  const whole = readFileSync(file);
  const cut = `${file}.cut`;
  for (let i = 0; i < 60; i++) {
    const end = 4096 + random.below(whole.length - 4096);
    writeFileSync(cut, whole.subarray(0, end));
    if (i % 2 === 0) appendFileSync(cut, Buffer.alloc(random.below(9000), random.below(256)));
    const expected = states.findLast((state) => state.end <= end) as { bytes: Buffer };
    const again = open(image, cut);
    assert.ok(contents(again).equals(expected.bytes), `cut at ${end}`);
    again.enableWrites();
    again.write(10, Buffer.from('on it goes'));
    again.flush();
    again.close();
    const third = open(image, cut);
    assert.is(contents(third).subarray(10, 20).toString(), 'on it goes');
    third.close();
  }
  // The last group's data torn, its flush record there: the group does not count.
  copyFileSync(file, cut);
  const torn = Buffer.from(whole);
  const last = states.at(-2) as { end: number; bytes: Buffer };
  torn[last.end + 100] = (torn[last.end + 100] as number) ^ 1;
  writeFileSync(cut, torn);
  const again = open(image, cut);
  assert.ok(contents(again).equals(last.bytes));
  again.close();
});

test('what was written over and over is given back', () => {
  const { image, file } = setup();
  const device = open(image, file);
  device.enableWrites();
  const data = Buffer.alloc(65536);
  for (let i = 0; i < 1100; i++) {
    data.fill(i);
    device.write(0, data);
  }
  device.flush();
  device.close();
  assert.ok(statSync(file).size > 70e6);
  const again = open(image, file);
  again.enableWrites();
  assert.ok(statSync(file).size < 100_000);
  const read = Buffer.alloc(65536);
  again.read(0, read);
  assert.ok(read.equals(data));
  again.close();
});

test('another image, or one that was written to, is refused', () => {
  const { image, file, bytes } = setup();
  const device = open(image, file);
  device.enableWrites();
  device.write(0, Buffer.from('x'));
  device.flush();
  device.close();
  const refusal = (): string => {
    try {
      open(image, file).close();
      return '';
    } catch (error) {
      return (error as Error).message;
    }
  };
  assert.is(refusal(), '');
  const { atime, mtime } = statSync(image);
  utimesSync(image, atime, new Date(mtime.getTime() + 5000));
  assert.match(refusal(), 'it was written to since');
  writeFileSync(image, Buffer.concat([Buffer.from('y'), bytes.subarray(1)]));
  assert.match(refusal(), 'first blocks have changed');
  truncateSync(image, 1000);
  assert.match(refusal(), 'it had 300000 bytes and has 1000');
  writeFileSync(file, 'nonsense');
  assert.match(refusal(), 'overlay header');
});

test.run();
