/**
 * What can go wrong, as a user meets it: one clear line, exit status 1, the image as it was; and images in use are
 * refused.
 */
import {
  closeSync,
  openSync,
  readFileSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { findBlocks, sealBytes } from '../fuzz/blocks.ts';
import { fsio, fsioOn, missingFsio } from '../harness/fsio.ts';
import { imageDevice, unpackImage } from '../harness/images.ts';
import { copyImage, makeXfs, missingJudges, must, repairComplaints, run, withMount } from '../harness/kernel.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';

const dir = scratch(true);
const image = unpackImage('xfs-default', join(dir, 'default.img'));

/** Changes with every write, even of the same bytes. */
function fingerprint(path: string): string {
  const { size, mtimeNs, ctimeNs } = statSync(path, { bigint: true });
  return `${size} ${mtimeNs} ${ctimeNs}`;
}

/** fsio fails on `path` with one line that matches, and leaves it alone. */
function refuses(path: string, act: () => ReturnType<typeof fsio>, words: RegExp): void {
  const before = fingerprint(path);
  const outcome = act();
  assert.is(outcome.status, 1, `status ${outcome.status}: ${outcome.stdout}${outcome.stderr}`);
  assert.match(outcome.stderr, words);
  const lines = outcome.stderr.split('\n').filter((line) => line !== '' && !line.includes(': read only: '));
  assert.is(lines.length, 1, `more than one line: ${outcome.stderr}`);
  assert.is(fingerprint(path), before, 'the image changed');
}

const files = gatedSuite('errors a user meets', missingFsio());

files('a file that is no image', () => {
  const path = join(dir, 'text');
  writeFileSync(path, 'hello\n'.repeat(10_000));
  refuses(path, () => fsioOn(path, '/', ['stat']), /no file system|not .*file system|magic/i);
});

files('an empty file', () => {
  const path = join(dir, 'nothing');
  writeFileSync(path, '');
  refuses(path, () => fsioOn(path, '/', ['stat']), /no file system|too small|ends|outside|magic/i);
});

files('a missing image', () => {
  const outcome = fsioOn(join(dir, 'missing.img'), '/', ['stat']);
  assert.is(outcome.status, 1);
  assert.match(outcome.stderr, /missing\.img: No such file or directory/);
});

files('a missing name', () => {
  refuses(image, () => fsioOn(image, '/dir/none', ['stat']), /\/dir\/none: No such file or directory/);
  refuses(image, () => fsioOn(image, '/tiny/x', ['stat']), /Not a directory/);
});

files('a truncated image', () => {
  for (const size of [300_000, 9_000_000, 200_000_000]) {
    const path = copyImage(image, join(dir, 'short.img'));
    truncateSync(path, size);
    utimesSync(path, 5, 5);
    refuses(path, () => fsioOn(path, '/', ['stat']), /\d/);
    refuses(path, () => fsioOn(path, '/tiny', ['pwrite 0 1m', 'fsync']), /\d/);
  }
});

files('-r refuses changes', () => {
  const before = fingerprint(image);
  for (const command of ['pwrite 0 10', 'truncate 5', 'reflink /mib']) {
    const outcome = fsioOn(image, '/tiny', [command], ['-r']);
    assert.is(fingerprint(image), before, command);
    assert.ok(outcome.stderr.length > 0, command);
  }
  assert.is(fsioOn(image, '/new', ['stat'], ['-r', '-f']).status, 1);
  assert.is(fingerprint(image), before, '-f');
});

/** A copy of the image with some blocks of one kind changed. */
function withDamage(kind: string, harm: (bytes: Uint8Array, view: DataView) => void, seal: boolean): string {
  const path = copyImage(image, join(dir, 'damaged.img'));
  const fd = openSync(path, 'r+');
  const device = imageDevice('xfs-default');
  for (const block of findBlocks(device, 4096, 512)) {
    if (block.kind !== kind) continue;
    const bytes = new Uint8Array(block.length);
    device.read(block.addr, bytes);
    harm(bytes, new DataView(bytes.buffer, bytes.byteOffset, bytes.length));
    if (seal) sealBytes(bytes, block.crcOffset);
    writeSync(fd, bytes, 0, bytes.length, block.addr);
  }
  closeSync(fd);
  utimesSync(path, 5, 5);
  return path;
}

files('btree blocks with a bad checksum', () => {
  const path = withDamage('bmbt', (bytes) => bytes.fill(7, 2000, 2010), false);
  refuses(
    path,
    () => fsioOn(path, '/frag', ['fiemap'], ['-r']),
    /Structure needs cleaning: .*bmbt.* at 0x[0-9a-f]+.*crc/,
  );
});

files('a record out of bounds', () => {
  const path = withDamage('bmbt', (_, view) => view.setUint16(6, 511), true);
  refuses(path, () => fsioOn(path, '/frag', ['fiemap'], ['-r']), /Structure needs cleaning: .*bmbt.*numrecs/);
});

files('an extent that points outside the device', () => {
  const path = withDamage('bmbt', (_, view) => view.setUint32(72 + 8, 0xffff_ffff), true);
  refuses(path, () => fsioOn(path, '/frag', ['pread -q 0 4m'], ['-r']), /Structure needs cleaning/);
});

files('free space that lies: no change gets through', () => {
  for (const kind of ['bnobt', 'cntbt', 'agf']) {
    const path = withDamage(kind, (bytes) => bytes.fill(0xff, 20, 30), false);
    refuses(path, () => fsioOn(path, '/new', ['pwrite 0 1m', 'fsync'], ['-f']), /Structure needs cleaning/);
  }
});

files('blocks from ahead of the log: of another time, and recovery would pass them over', () => {
  const agf = withDamage('agf', (_, view) => view.setUint32(208, 1000), true);
  refuses(
    agf,
    () => fsioOn(agf, '/new', ['pwrite 0 1m', 'fsync'], ['-f']),
    /Structure needs cleaning: .*agf.*lsn 1000:/,
  );
  const bmbt = withDamage('bmbt', (_, view) => view.setUint32(32, 1000), true);
  refuses(bmbt, () => fsioOn(bmbt, '/frag', ['fiemap'], ['-r']), /Structure needs cleaning: .*bmbt.*ahead of the log/);
  assert.is(fsioOn(bmbt, '/frag', ['fiemap'], ['-r', '--norecovery']).status, 0);
  const sb = withDamage('sb', (_, view) => view.setUint32(240, 1000), true);
  refuses(sb, () => fsioOn(sb, '/', ['stat'], ['-r']), /Invalid argument: .*superblock.*ahead of the log/);
});

files('an unknown incompat feature is named, an unknown ro-compat feature only reads', () => {
  const incompat = withDamage('sb', (_, view) => view.setUint32(216, view.getUint32(216) | 0x4000_0000), true);
  refuses(incompat, () => fsioOn(incompat, '/tiny', ['stat']), /0x40000000/);
  const rocompat = withDamage('sb', (_, view) => view.setUint32(212, view.getUint32(212) | 0x2000_0000), true);
  assert.is(fsioOn(rocompat, '/tiny', ['stat'], ['-r']).status, 0);
  refuses(rocompat, () => fsioOn(rocompat, '/tiny', ['pwrite 0 5', 'fsync']), /0x20000000|read-only/i);
});

files.run();

const judged = gatedSuite('errors with the kernel as judge', missingJudges() ?? missingFsio());

judged('no space left, half-way through a write', () => {
  const path = makeXfs(join(dir, 'small.img'), {
    args: ['-l', 'size=8m', '-d', 'agcount=2'],
    bytes: 40 << 20,
    tiny: true,
  });
  const first = fsioOn(path, '/keep', ['pwrite -q -S 0x11 0 1m', 'fsync'], ['-f']);
  assert.is(first.status, 0, first.stderr);
  const full = fsioOn(path, '/big', ['pwrite -q -b 64k 0 100m', 'fsync'], ['-f', '--strict']);
  assert.is(full.status, 1);
  assert.match(full.stderr, /pwrite: No space left on device/);
  assert.equal(repairComplaints(path), []);
  withMount(path, (at) => {
    const kept = readFileSync(join(at, 'keep'));
    assert.is(kept.length, 1 << 20);
    assert.ok(kept.every((byte) => byte === 0x11));
    // Linux fills as much before it says no.
    assert.ok(statSync(join(at, 'big')).size > 15 << 20, `only ${statSync(join(at, 'big')).size} bytes were written`);
  });
});

judged('a mounted image, and one behind a loop device, are refused', () => {
  const path = copyImage(image, join(dir, 'used.img'));
  withMount(path, () => refuses(path, () => fsioOn(path, '/tiny', ['stat']), /busy: mounted on /));
  const loop = must('losetup', '--find', '--show', path).trim();
  try {
    refuses(path, () => fsioOn(path, '/tiny', ['stat']), /busy: in use by \/dev\/loop/);
    // Through the device it may be used: nobody else does.
    const outcome = fsio(['-c', 'pwrite -q -S 0x62 0 5', '-c', 'fsync', `${loop}:/tiny`]);
    assert.is(outcome.status, 0, outcome.stderr);
    assert.is(outcome.stderr, '');
  } finally {
    run('losetup', ['-d', loop]);
  }
  assert.equal(repairComplaints(path), []);
  withMount(path, (at) => assert.is(readFileSync(join(at, 'tiny'), 'latin1').slice(0, 5), 'bbbbb'));
});

judged('a mounted block device is refused', () => {
  const path = copyImage(image, join(dir, 'device.img'));
  withMount(path, (at) => {
    const device = must('findmnt', '-n', '-o', 'SOURCE', at).trim();
    const outcome = fsioOn(device, '/tiny', ['stat'], ['-r']);
    assert.is(outcome.status, 1);
    assert.match(outcome.stderr, /busy/i);
  });
});

judged.run();
