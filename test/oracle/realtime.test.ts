/**
 * Files on a realtime device: random scripts, then xfs_repair looks at the bitmap and the summary, and the files' bytes
 * are read from the device where xfs_db says that their extents are. (Linux itself is asked by `npm run vm`: many
 * kernels come without realtime.)
 */
import { closeSync, openSync, readFileSync, readSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { FileDevice } from '../../core/device/file.ts';
import { RecorderDevice } from '../../core/device/recorder.ts';
import type { Filesystem } from '../../core/vfs/filesystem.ts';
import { play, randomSteps } from '../crash/scenario.ts';
import { fsioInside } from '../harness/fsio-inside.ts';
import { copyImage, missingTools, must, repairComplaints } from '../harness/kernel.ts';
import { mountDevice } from '../harness/mount-device.ts';
import { announceSeed, Random, rounds } from '../harness/random.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';
import { blockSizeOf, KINDS, makeKind } from '../vm/kinds.ts';

const test = gatedSuite('realtime', missingTools(['mkfs.xfs', 'xfs_repair', 'xfs_db', 'cp'], 'xfs'));
const seed = announceSeed('realtime');
const RTINHERIT = 0x100;

function mounted(images: readonly string[]): { fs: Filesystem; data: RecorderDevice } {
  const [data, realtime] = images.map((image) => new FileDevice(image)) as [FileDevice, FileDevice];
  const recorder = new RecorderDevice(data);
  return { fs: mountDevice(recorder, { devices: [realtime] }), data: recorder };
}

/** A file's bytes, from where xfs_db maps them. */
function bytesOf([data, realtime]: readonly string[], ino: number, size: number, blockSize: number): Uint8Array {
  const bytes = new Uint8Array(size);
  const fd = openSync(realtime as string, 'r');
  const text = must('xfs_db', '-r', '-c', `inode ${ino}`, '-c', 'bmap', data as string);
  for (const [, off, block, count, flag] of text.matchAll(/offset (\d+) startblock (\d+) .*count (\d+) flag (\d)/g)) {
    const start = Number(off) * blockSize;
    if (flag === '1' || start >= size) continue;
    const length = Math.min(Number(count) * blockSize, size - start);
    readSync(fd, bytes, start, length, Number(block) * blockSize);
  }
  closeSync(fd);
  return bytes;
}

for (const kind of [KINDS.realtime[0], KINDS.realtime[2], KINDS.realtime[6]] as (typeof KINDS.realtime)[number][]) {
  const blockSize = blockSizeOf(kind);
  test(`${kind.name}: random scripts`, () => {
    const dir = scratch(true);
    const base = makeKind(dir, kind);
    for (let round = 0; round < rounds(2); round++) {
      const random = new Random(seed + round * 7919);
      const images = base.map((image, i) => copyImage(image, join(dir, `image.${i}`)));
      const { fs, data } = mounted(images);
      fs.root().setFlags({ xflags: RTINHERIT });
      const promises = play(fs, data, randomSteps(random, blockSize, 40, false, true), new Map());
      const story = `${kind.name}, seed ${seed}, round ${round}`;
      assert.equal(repairComplaints(images[0] as string, images[1]), [], story);
      for (const [name, life] of promises.at(-1)?.files ?? []) {
        const { ino, size } = (
          mounted(images).fs.root().child(name) as NonNullable<ReturnType<Filesystem['root']>>
        ).stat();
        const found = bytesOf(images, ino, Number(size), blockSize);
        assert.is(life.fault(found), null, `${story}: ${name}`);
      }
    }
    rmSync(dir, { recursive: true });
  });
}

test('a full device, and what comes back', () => {
  const dir = scratch(true);
  const images = makeKind(dir, KINDS.realtime[4] as (typeof KINDS.realtime)[number]) as [string, string];
  const fsio = (...words: string[]) =>
    fsioInside(['--device', images[1], '-f', '-R', ...words.flatMap((word) => ['-c', word]), `${images[0]}:/f`]);
  assert.match(fsio('falloc 0 3m').stderr, /No space left/);
  assert.match(fsio('pwrite -q 0 3m', 'stat').stdout, /stat.size = 2097152/);
  assert.match(fsio('statfs').stdout, /f_blocks = 512\nstatfs.f_bavail = 0\n/);
  assert.equal(repairComplaints(...images), []);
  assert.match(fsio('truncate 1m', 'statfs').stdout, /f_bavail = 256\n/);
  assert.equal(repairComplaints(...images), []);
  const dry = fsioInside(['--device', images[1], '--dry-run', '-c', 'fpunch 0 8k', `${images[0]}:/f`]).stdout;
  assert.match(dry, /sb 0: frextents 256 .* 258\n/);
  assert.match(dry, /\nrtbitmap: \+ \[0,2\]\n/);
  assert.match(dry, /\nrtsummary: rsum\[1,0\] 0 .* 1\n/);
  // Without the device the rest of the image is there.
  const alone = fsioInside(['-f', '-R', '-c', 'pwrite 0 4k', `${images[0]}:/g`]);
  assert.match(alone.stderr, /No such device/);
  assert.is(readFileSync(images[1]).length, 2 * 2 ** 20);
  rmSync(dir, { recursive: true });
});

test.run();
