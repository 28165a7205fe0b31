/** Disks that sfdisk made: its list of partitions is ours, and a file system in one is used without touching the others. */
import { createHash } from 'node:crypto';
import {
  closeSync,
  fstatSync,
  openSync,
  readFileSync,
  readSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { FileDevice } from '../../core/device/file.ts';
import { readPartitions } from '../../core/device/partition.ts';
import { fsio, missingFsio } from '../harness/fsio.ts';
import { unpackImage } from '../harness/images.ts';
import { missingJudges, must, repairComplaints, run, withMount } from '../harness/kernel.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';

const missing =
  missingJudges() ?? missingFsio() ?? (run('which', ['sfdisk']).status === 0 ? null : 'needs sfdisk (fdisk)');
const test = gatedSuite('partitions', missing);
const MIB = 2 ** 20;

const GPT = 'label: gpt\nsize=10M, type=U, name="boot"\nsize=410M, name="däta"\nstart=900000, size=20M\n';
const MBR = `label: dos
1: size=10M, type=c
2: size=20M, type=82
3: size=440M, type=5
5: size=10M
6: size=405M, type=8e
7: size=5M
`;

function disk(name: string, script: string, bytes = 480 * MIB): string {
  const path = join(scratch(true), name);
  writeFileSync(path, '');
  truncateSync(path, bytes);
  const made = run('sfdisk', ['-q', path], { input: script });
  assert.is(made.status, 0, made.stderr);
  return path;
}

/** Puts a real XFS image (400 MiB) into a disk at a byte. */
function putXfs(path: string, at: number): void {
  const source = openSync(unpackImage('xfs-default', join(scratch(true), 'xfs.img')), 'r');
  const target = openSync(path, 'r+');
  const chunk = Buffer.alloc(MIB);
  for (let done = 0; done < fstatSync(source).size; done += MIB) {
    const n = readSync(source, chunk, 0, MIB, done);
    if (chunk.some((byte) => byte !== 0)) writeSync(target, chunk, 0, n, at + done);
  }
  closeSync(source);
  closeSync(target);
}

function sfdiskList(path: string): { node: string; start: number; size: number }[] {
  return JSON.parse(must('sfdisk', '--json', path)).partitiontable.partitions;
}

function ours(path: string) {
  const device = new FileDevice(path, { readOnly: true });
  try {
    return readPartitions(device);
  } finally {
    device.close();
  }
}

function compare(path: string): void {
  const listed = (ours(path)?.partitions ?? []).map(({ number, start, length, label }) => ({
    node: `${path}${number}`,
    start: start / 512,
    size: length / 512,
    label,
  }));
  const judge = sfdiskList(path).map(
    ({ node, start, size, name }: { node: string; start: number; size: number; name?: string }) => ({
      node,
      start,
      // sfdisk gives an extended partition's size as the table has it.
      size,
      label: name === undefined ? null : Buffer.from(name, 'latin1').toString('utf8'),
    }),
  );
  assert.equal(listed, judge);
  assert.ok(listed.length >= 3);
}

test('a GPT disk: the list is sfdisk’s', () => compare(disk('gpt.img', GPT)));
test('an MBR disk with logical partitions: the list is sfdisk’s', () => compare(disk('mbr.img', MBR)));

test('a damaged first GPT header: the copy at the end is read, and said so; damaged both: refused', () => {
  const path = disk('gpt.img', GPT);
  const good = ours(path);
  const fd = openSync(path, 'r+');
  writeSync(fd, Buffer.from([1]), 0, 1, 512 + 60);
  assert.equal(ours(path)?.partitions, good?.partitions);
  assert.match(ours(path)?.notes[0] ?? '', 'header_crc');
  writeSync(fd, Buffer.from([1]), 0, 1, 480 * MIB - 512 + 60);
  closeSync(fd);
  const said = fsio(['--partitions', path]);
  assert.is(said.status, 1);
  assert.match(said.stderr, /Structure needs cleaning: GPT header at 0x200, header_crc|header_crc/);
});

test('a chain of logical partitions that returns to itself ends', () => {
  const path = disk('mbr.img', MBR);
  const extended = sfdiskList(path)[2]?.start as number;
  const fd = openSync(path, 'r+');
  const link = Buffer.alloc(16);
  link[4] = 5;
  link.writeUInt32LE(0, 8);
  link.writeUInt32LE(100, 12);
  writeSync(fd, link, 0, 16, extended * 512 + 446 + 16);
  closeSync(fd);
  const table = ours(path);
  assert.match(table?.notes.join() ?? '', 'breaks off');
  assert.is(table?.partitions.length, 4);
});

for (const [name, script, number] of [
  ['gpt', GPT, 2],
  ['mbr', MBR, 6],
] as const) {
  test(`${name}: a disk without a choice says what it holds; with one, the file system in it is used`, () => {
    const path = disk(`${name}.img`, script);
    const partition = sfdiskList(path).find(({ node }) => node === `${path}${number}`);
    assert.ok(partition);
    const start = (partition as { start: number }).start * 512;
    putXfs(path, start);

    const refused = fsio(['-r', '-c', 'stat', `${path}:/tiny`]);
    assert.is(refused.status, 1);
    assert.match(refused.stderr, `${number} (xfs, `);
    assert.match(refused.stderr, '--partition N');
    const listed = JSON.parse(fsio(['--json', '--partitions', path]).stdout);
    assert.is(listed.table, name);
    assert.is(listed.partitions.find((one: { number: number }) => one.number === number).format, 'xfs');

    const outside = () => {
      const bytes = readFileSync(path);
      const hash = createHash('sha256').update(bytes.subarray(0, start));
      return hash.update(bytes.subarray(start + (partition as { size: number }).size * 512)).digest('hex');
    };
    const before = outside();
    const wrote = fsio(['-f', '--partition', String(number), '-c', 'pwrite -q -S 0x61 0 64k', `${path}:/new`]);
    assert.is(wrote.status, 0, wrote.stderr);
    assert.is(outside(), before, 'nothing outside the partition changed');
    const byOffset = fsio(['-r', '--offset', String(start), '-c', 'stat -r', `${path}:/new`]);
    assert.is(byOffset.status, 0, byOffset.stderr);

    const alone = join(scratch(true), 'part.img');
    must(
      'dd',
      `if=${path}`,
      `of=${alone}`,
      'bs=1M',
      'iflag=skip_bytes,count_bytes',
      `skip=${start}`,
      `count=${400 * MIB}`,
      'conv=sparse',
      'status=none',
    );
    truncateSync(alone, 400 * MIB);
    assert.equal(repairComplaints(alone), []);
    withMount(alone, (dir) => assert.is(readFileSync(join(dir, 'new'), 'latin1'), 'a'.repeat(65536)));
  });
}

test('what cannot be is refused in words', () => {
  const path = disk('gpt.img', GPT);
  assert.match(fsio(['-r', '--partition', '9', '-c', 'ls', path]).stderr, 'no partition 9; there are 1, 2, 3');
  assert.match(fsio(['-r', '--offset', '2t', '-c', 'ls', path]).stderr, 'outside the 503316480 bytes');
  assert.match(fsio(['-r', '--partition', 'x', '-c', 'ls', path]).stderr, 'bad partition -- x');
  assert.match(fsio(['-r', '--partition', '1', '-c', 'ls', path]).stderr, 'no file system that fsio knows');
});

test.run();
