/**
 * What is done in bulk: checksums of long runs, and files of many extents shared. btrfs check with the data's
 * checksums, and Linux reading, judge what is written; a byte that changed in the image must be found.
 */
import { closeSync, openSync, readFileSync, readSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { checkComplaints, makeBtrfs, missingBtrfsJudges, withBtrfs } from '../harness/btrfs-judge.ts';
import { fsio, fsioOn } from '../harness/fsio.ts';
import { must } from '../harness/kernel.ts';
import { announceSeed, Random } from '../harness/random.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';

const test = gatedSuite('btrfs in bulk', missingBtrfsJudges());
const seed = announceSeed('btrfs-bulk');
const MIB = 2 ** 20;

function noise(length: number): Buffer {
  const words = new Int32Array(length / 4);
  let state = seed | 1;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  return Buffer.from(words.buffer);
}

/** Where the image holds `wanted`, in one of its MiBs or across two. */
function findIn(image: string, wanted: Buffer): number {
  const fd = openSync(image, 'r');
  try {
    const window = Buffer.alloc(16 * MIB + 4096);
    for (let at = 0; ; at += 16 * MIB) {
      const bytes = readSync(fd, window, 0, window.length, at);
      if (bytes === 0) throw new Error('the image does not hold what was written');
      const found = window.subarray(0, bytes).indexOf(wanted);
      if (found >= 0) return at + found;
    }
  } finally {
    closeSync(fd);
  }
}

function flip(image: string, at: number): void {
  const fd = openSync(image, 'r+');
  const byte = Buffer.alloc(1);
  readSync(fd, byte, 0, 1, at);
  byte[0] = (byte[0] as number) ^ 0x10;
  writeSync(fd, byte, 0, 1, at);
  closeSync(fd);
}

test('64 MiB at once: right checksums, and every changed byte is found', () => {
  const dir = scratch();
  const images = makeBtrfs(dir, { name: 'bulk', args: [] });
  const image = images[0] as string;
  const data = noise(64 * MIB);
  const host = join(dir, 'data');
  writeFileSync(host, data);
  assert.equal(fsioOn(image, '/f', [`pwrite -q -b 1m -i ${host} 0 64m`, 'fsync'], ['-f']).stderr, '');
  assert.equal(checkComplaints(images, true), []);
  withBtrfs(images, (mount) => must('cmp', host, `${mount}/f`));
  const random = new Random(seed);
  for (const half of [0, 1]) {
    const pos = (40 + random.below(20)) * MIB + half * (MIB / 2) + random.below(MIB / 2 - 64);
    const at = findIn(image, data.subarray(pos, pos + 64));
    flip(image, at);
    const outcome = fsioOn(image, '/f', ['pread -q -b 1m 0 64m'], ['-r']);
    assert.match(outcome.stderr, /Input\/output error.*wrong crc32c/, `byte ${pos} of the file, ${at} of the image`);
    flip(image, at);
  }
  assert.equal(fsio(['-r', '-c', `get /f ${host}.out`, image]).stderr, '');
  assert.ok(readFileSync(`${host}.out`).equals(data));
});

for (const [name, args] of [
  ['default', []],
  ['4 KiB nodes, holes are items', ['-n', '4096', '-O', '^no-holes']],
] as const) {
  test(`files of many extents are shared, ${name}`, () => {
    const images = makeBtrfs(scratch(), { name, args: [...args], bytes: 256 * MIB });
    const image = images[0] as string;
    const random = new Random(seed);
    // Written backwards, block after block, with holes and prealloc between: no two extents join.
    const lines = ['open -f /source', 'falloc 2m 1m'];
    for (let i = 699; i >= 0; i--) {
      if (random.below(5) === 0) continue;
      lines.push(`pwrite -q -S ${1 + random.below(200)} ${i * 8192} ${4096 + 4096 * random.below(2)}`);
      if (i % 50 === 0) lines.push('fsync');
    }
    lines.push('open -f /small', 'pwrite -q -S 7 0 100', 'fsync');
    assert.equal(fsio([image], `${lines.join('\n')}\n`).stderr, '');
    const shares = [
      ['/whole', 'reflink -q /source'],
      ['/small', 'reflink -q /source 0 0 4m'],
      ['/part', 'reflink -q /source 1052672 8192 2105344'],
      ['/over', 'reflink -q /source 0 4096 3m'],
      ['/over', 'reflink -q /source 8192 1m 1m'],
      ['/source', 'reflink -q /source 0 8m 3m'],
    ] as const;
    for (const [file, command] of shares) {
      assert.equal(fsioOn(image, file, [command], ['-f']).stderr, '', `${file}: ${command}`);
    }
    assert.equal(checkComplaints(images, true), []);
    withBtrfs(images, (mount) => {
      const source = readFileSync(`${mount}/source`);
      const part = (from: number, length: number): Buffer => source.subarray(from, from + length);
      const same = (file: string, at: number, from: number, length: number): void => {
        const bytes = readFileSync(`${mount}${file}`).subarray(at, at + length);
        assert.ok(bytes.equals(part(from, length)), `${file} at ${at}`);
      };
      same('/whole', 0, 0, 5 * MIB);
      same('/small', 0, 0, 4 * MIB);
      same('/part', 8192, 1052672, 2105344);
      same('/over', 4096, 0, MIB - 4096);
      same('/over', MIB, 8192, MIB);
      same('/over', 2 * MIB, 2 * MIB - 4096, MIB);
      same('/source', 8 * MIB, 0, 3 * MIB);
    });
  });
}

test.run();
