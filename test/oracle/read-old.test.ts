// time limit: 120 s
/**
 * What the kernel here may not mount: version 4 images, names without case, realtime files, logs elsewhere. mkfs.xfs
 * fills them from a folder (a proto file), so the folder is the judge; xfs_db turns a file into a realtime one.
 */
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { crc32cSkipping } from '../../core/checksum.ts';
import { openDevice } from '../../core/device/open.ts';
import { FsError } from '../../core/errors.ts';
import { bufferedRead } from '../../core/iomap/read.ts';
import type { Filesystem } from '../../core/vfs/filesystem.ts';
import type { Inode } from '../../core/vfs/inode.ts';
import { Superblock } from '../../formats/xfs/structure/sb.ts';
import { makeXfs, must } from '../harness/kernel.ts';
import { mountDevice } from '../harness/mount-device.ts';
import { Random } from '../harness/random.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';

function missingTools(): string | null {
  try {
    execFileSync('sh', ['-c', 'PATH=$PATH:/sbin:/usr/sbin; command -v mkfs.xfs && command -v xfs_db'], {
      stdio: 'ignore',
    });
    return null;
  } catch {
    return 'needs mkfs.xfs and xfs_db';
  }
}

const test = gatedSuite('reading what Linux may refuse', missingTools());
const dir = scratch();
const source = join(dir, 'source');
const proto = join(dir, 'proto');

/** A folder with directories of each form. Long links are left out: mkfs writes them without the header of version 5. */
function fillSource(): void {
  const random = new Random(4);
  for (const [name, count] of [
    ['short', 3],
    ['block', 60],
    ['leaf', 300],
    ['node', 2000],
  ] as const) {
    mkdirSync(join(source, name), { recursive: true });
    for (let i = 0; i < count; i++)
      writeFileSync(join(source, name, `File-with-a-Name-${i}`), i % 50 === 0 ? `${i}` : '');
  }
  mkdirSync(join(source, 'deep/er/and/deeper'), { recursive: true });
  writeFileSync(join(source, 'large'), Buffer.from(Array.from({ length: 300_000 }, () => random.below(256))));
  symlinkSync('target', join(source, 'link'));
  writeFileSync(proto, ['/none', '0 0', 'd--755 0 0', ...protoLines(source), '$', ''].join('\n'));
}

function protoLines(at: string): string[] {
  return readdirSync(at)
    .sort()
    .flatMap((name) => {
      const path = join(at, name);
      const stats = lstatSync(path);
      if (stats.isDirectory()) return [`${name} d--750 0 0`, ...protoLines(path), '$'];
      return stats.isSymbolicLink() ? [`${name} l--777 0 0 ${readlinkSync(path)}`] : [`${name} ---640 5 6 ${path}`];
    });
}

function compare(fs: Filesystem, ours: Inode, at: string, ignoreCase: boolean): number {
  const names = readdirSync(at).sort();
  const got = [...ours.entries()].map(({ name }) => name).filter((name) => name !== '.' && name !== '..');
  assert.equal(got.sort(), names, at);
  let count = 1;
  for (const name of names) {
    const path = join(at, name);
    const ino = ours.lookup(name);
    assert.type(ino, 'number', `lookup of ${path}`);
    for (const other of [name.toUpperCase(), name.toLowerCase()])
      if (other !== name) assert.is(ours.lookup(other), ignoreCase ? ino : null, `lookup of ${other}`);
    const inode = fs.iget(ino as number);
    const stats = lstatSync(path);
    if (stats.isDirectory()) count += compare(fs, inode, path, ignoreCase);
    else if (stats.isSymbolicLink()) assert.is(inode.readlink(), readlinkSync(path));
    else assert.ok(contentOf(inode).equals(readFileSync(path)), `content of ${path}`);
    if (stats.isFile())
      assert.equal([inode.stat().mode, inode.stat().uid, inode.stat().gid, inode.stat().nlink], [0o640, 5, 6, 1]);
    count++;
  }
  assert.is(ours.lookup('no such name'), null);
  return count;
}

function contentOf(inode: Inode): Buffer {
  const bytes = Buffer.alloc(inode.size);
  for (let at = 0; at < bytes.length; ) {
    const count = bufferedRead(inode, at, bytes.subarray(at));
    assert.ok(count > 0, 'a read stopped before the end');
    at += count;
  }
  return bytes;
}

test.before(fillSource);

for (const args of [
  '-m crc=0',
  '-m crc=0 -b size=512',
  '-m crc=0 -n size=65536,ftype=0 -i size=2048',
  '-m crc=0 -i align=0',
  '-m crc=0 -i projid32bit=0,attr=1 -l lazy-count=0,version=1',
  '-m crc=0 -n version=ci',
  '-n version=ci',
]) {
  test(args, () => {
    const image = makeXfs(join(dir, 'old.img'), { args: [...args.split(' '), '-p', proto] });
    const fs = mountDevice(openDevice(image), { readOnly: true });
    const count = compare(fs, fs.root(), source, args.includes('ci'));
    assert.ok(count > 2300, `only ${count} paths compared`);
  });
}

test('a realtime file, with the realtime device and without', () => {
  const device = join(dir, 'realtime.img');
  const content = Buffer.from(Array.from({ length: 20_000 }, (_, i) => (i * 7) % 251));
  writeFileSync(join(dir, 'file'), content);
  writeFileSync(join(dir, 'proto-rt'), `/none\n0 0\nd--755 0 0\nfile ---644 0 0 ${join(dir, 'file')}\n$\n`);
  writeFileSync(device, '');
  truncateSync(device, 64 * 2 ** 20);
  const image = makeXfs(join(dir, 'rt.img'), {
    args: ['-r', `rtdev=${device},extsize=16k`, '-p', join(dir, 'proto-rt')],
  });
  const ino = mountDevice(openDevice(image), { readOnly: true }).root().lookup('file');
  must(
    'xfs_db',
    '-x',
    '-c',
    `inode ${ino}`,
    '-c',
    'write core.realtime 1',
    '-c',
    'write u3.bmx[0].startblock 8',
    image,
  );
  const realtime = Buffer.alloc(64 * 2 ** 20);
  content.copy(realtime, 8 * 4096);
  writeFileSync(device, realtime);
  const fs = mountDevice(openDevice(image), { readOnly: true, devices: [openDevice(device)] });
  assert.ok(contentOf(fs.iget(ino as number)).equals(content));
  const alone = mountDevice(openDevice(image), { readOnly: true });
  assert.throws(
    () => contentOf(alone.iget(ino as number)),
    (error: unknown) => error instanceof FsError && error.code === 'ENODEV' && /--device/.test(error.message),
  );
});

test('a log on another device', () => {
  const log = join(dir, 'log.img');
  writeFileSync(log, '');
  truncateSync(log, 64 * 2 ** 20);
  const image = makeXfs(join(dir, 'external.img'), { args: ['-l', `logdev=${log}`] });
  assert.throws(
    () => mountDevice(openDevice(image)),
    (error: unknown) => error instanceof FsError && error.code === 'ENODEV',
  );
  const fs = mountDevice(openDevice(image), { devices: [openDevice(log)] });
  assert.is(fs.root().kind, 'dir');
});

test('features that nobody knows: by name, and read only where that is enough', () => {
  const image = makeXfs(join(dir, 'features.img'));
  const bytes = readFileSync(image).subarray(0, 512);
  const view = new DataView(bytes.buffer, bytes.byteOffset, 512);
  const { features_incompat: incompat, features_ro_compat: roCompat } = Superblock.decode(view, 0);
  // xfs_db refuses to write bits that it does not know.
  const set = (field: 'features_incompat' | 'features_ro_compat', value: number): void => {
    Superblock.set[field](view, 0, value);
    Superblock.set.crc(view, 0, crc32cSkipping(bytes, Superblock.at.crc));
    const fd = openSync(image, 'r+');
    writeSync(fd, bytes, 0, 512, 0);
    closeSync(fd);
  };
  set('features_ro_compat', roCompat + 0x10000);
  const limited = mountDevice(openDevice(image));
  assert.ok(limited.readOnly);
  assert.match(String(limited.status), /bit 16/);
  set('features_ro_compat', roCompat);
  set('features_incompat', incompat + 0x10);
  const damaged = mountDevice(openDevice(image));
  assert.ok(damaged.readOnly);
  assert.match(String(damaged.status), /needsrepair/);
  set('features_incompat', incompat + 0x400000);
  assert.throws(
    () => mountDevice(openDevice(image)),
    (error: unknown) => error instanceof FsError && error.code === 'EINVAL' && /bit 22/.test(error.message),
  );
});

test.run();
