// time limit: 300 s
/** Which devices make up a file system: found beside the first, named, missing, stale, copied, seeds, changed ids. */
import { constants, copyFileSync, mkdirSync, readFileSync, renameSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { openDevice } from '../../core/device/open.ts';
import { FsError } from '../../core/errors.ts';
import { openFile } from '../../core/vfs/file.ts';
import type { Filesystem } from '../../core/vfs/filesystem.ts';
import { DevExtent, DevReplaceItem } from '../../formats/btrfs/structure/chunk.ts';
import { ItemType, Key } from '../../formats/btrfs/structure/key.ts';
import { TreeCursor } from '../../formats/btrfs/tree/cursor.ts';
import { assertBytes } from '../harness/assert-bytes.ts';
import { checkComplaints, makeBtrfs, missingBtrfsJudges, withBtrfs, withLoops } from '../harness/btrfs-judge.ts';
import { openTrees } from '../harness/btrfs-trees.ts';
import { fsio, missingFsio } from '../harness/fsio.ts';
import { must, run } from '../harness/kernel.ts';
import { mountDevice } from '../harness/mount-device.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';

const test = gatedSuite('btrfs members', missingBtrfsJudges() ?? missingFsio());
const RAID1 = { name: 'raid1', args: ['-m', 'raid1', '-d', 'raid1'], devices: 2 };
const OLD = Buffer.alloc(300_000, 'old ');
const NEW = Buffer.alloc(400_000, 'newer ');

function open(path: string, others: readonly string[] = []): Filesystem {
  return mountDevice(openDevice(path), { devices: others.map((other) => openDevice(other)) });
}

function read(fs: Filesystem, name: string): Buffer {
  const file = openFile(fs, fs.root(), name, {});
  const bytes = Buffer.alloc(file.inode.size);
  file.read(0, bytes);
  file.close();
  return bytes;
}

function write(fs: Filesystem, name: string, bytes: Buffer): void {
  const file = openFile(fs, fs.root(), name, { write: true, create: true });
  file.write(0, bytes);
  file.close();
}

function fails(code: string, words: RegExp, act: () => void): void {
  assert.throws(act, (error: unknown) => error instanceof FsError && error.code === code && words.test(error.message));
}

function copy(from: string, to: string): string {
  copyFileSync(from, to, constants.COPYFILE_FICLONE);
  return to;
}

function raid1(): [string, string] {
  const paths = makeBtrfs(scratch(true), RAID1);
  withBtrfs(paths, (mount) => writeFileSync(join(mount, 'old'), OLD));
  return paths as [string, string];
}

test('a device that was away while the others were written is not believed', () => {
  const [first, second] = raid1();
  const away = join(scratch(true), 'away.img');
  renameSync(first, away);
  withBtrfs([second], (mount) => writeFileSync(join(mount, 'new'), NEW), 'degraded');
  renameSync(away, first);
  for (const path of [first, second]) {
    const fs = open(path);
    assert.match(fs.status ?? '', /device 1 .*older than the others/);
    assertBytes(read(fs, 'old'), OLD);
    assertBytes(read(fs, 'new'), NEW);
    fs.unmount();
  }
});

test('with a device missing nothing is written', () => {
  const [, second] = raid1();
  const alone = copy(second, join(scratch(true), 'alone.img'));
  const before = readFileSync(alone);
  const fs = open(alone);
  assert.match(fs.status ?? '', /device 1 missing/);
  assertBytes(read(fs, 'old'), OLD);
  fails('EROFS', /device 1 missing/, () => write(fs, 'new', NEW));
  fs.unmount();
  assert.ok(readFileSync(alone).equals(before));
});

test('copies beside the image: the nearest name wins, two equal ones are asked about', () => {
  const [first, second] = raid1();
  const dir = scratch(true);
  const a1 = copy(first, join(dir, 'a1.img'));
  copy(second, join(dir, 'a2.img'));
  copy(second, join(dir, 'backup.img'));
  const fs = open(a1);
  assertBytes(read(fs, 'old'), OLD);
  fs.unmount();
  copy(second, join(dir, 'a3.img'));
  fails('EINVAL', /device 2 could be .*--device/, () => open(a1));
  const named = open(a1, [join(dir, 'a3.img')]);
  assert.is(named.status, null);
  named.unmount();
});

test('named devices that do not belong are refused', () => {
  const [first, second] = raid1();
  const [other] = makeBtrfs(scratch(true), { name: 'other', args: [] }) as [string];
  fails('EINVAL', /another btrfs/, () => open(first, [second, other]));
  fails('EINVAL', /both this and .* are device 1/, () => open(first, [copy(first, join(scratch(true), 'same.img'))]));
  const empty = join(scratch(true), 'empty.img');
  writeFileSync(empty, '');
  truncateSync(empty, 1 << 20);
  assert.throws(() => open(first, [second, empty]));
});

test('a device that was cut short is refused', () => {
  const [first, second] = raid1();
  truncateSync(second, 200 * 2 ** 20);
  fails('EINVAL', /device 2 has 209715200 bytes/, () => open(first));
});

test('changed ids: metadata_uuid', () => {
  const paths = raid1();
  withLoops(paths, ([loop]) => must('btrfstune', '-f', '-m', loop as string));
  const fs = open(paths[0]);
  assertBytes(read(fs, 'old'), OLD);
  write(fs, 'new', NEW);
  fs.unmount();
  assert.equal(checkComplaints(paths, true), []);
  withBtrfs(paths, (mount) => assertBytes(readFileSync(join(mount, 'new')), NEW));
});

test('while a device is being replaced nothing is written', () => {
  const [path] = makeBtrfs(scratch(true), { name: 'replaced', args: [] }) as [string];
  const device = openDevice(path);
  const { mp } = openTrees([device]);
  mp.change('put a replacement', 1, () => {
    const cursor = new TreeCursor(mp.devRoot);
    const key = new Key(0, ItemType.DEV_REPLACE, 0);
    if (!cursor.search(key)) cursor.insert(key, DevReplaceItem.size);
    else cursor.edit();
    DevReplaceItem.encode(cursor.view, cursor.at, { src_devid: 1, replace_state: 4 });
    cursor.close();
  });
  mp.trans.commit();
  device.close();
  const fs = open(path);
  fails('EROFS', /device 1 is being replaced/, () => write(fs, 'x', NEW));
  fs.unmount();
});

test('a device extent of no chunk: nothing is written', () => {
  const [path] = makeBtrfs(scratch(true), { name: 'stray', args: [] }) as [string];
  const device = openDevice(path);
  const { mp } = openTrees([device]);
  mp.change('put a device extent', 1, () => {
    const cursor = new TreeCursor(mp.devRoot);
    cursor.insert(new Key(1, ItemType.DEV_EXTENT, 300 * 2 ** 20), DevExtent.size);
    const values = { chunk_tree: 3, chunk_objectid: 256, chunk_offset: 2 ** 40, length: 2 ** 20 };
    DevExtent.encode(cursor.view, cursor.at, values);
    cursor.close();
  });
  mp.trans.commit();
  device.close();
  assert.throws(() => withBtrfs([path], () => {}), /does not mount/);
  const fs = open(path);
  fails('EUCLEAN', /extent of device 1 at 314572800: no stripe of a chunk/, () => write(fs, 'x', NEW));
  fs.unmount();
});

test('without its top directory an image can be looked at', () => {
  const [path] = makeBtrfs(scratch(true), { name: 'headless', args: [] }) as [string];
  const device = openDevice(path);
  device.enableWrites?.();
  const { mp } = openTrees([device]);
  for (const { addr } of mp.space.map(mp.root(5).bytenr, 1)) device.write(addr + 500, Buffer.alloc(100, 7));
  device.close();
  const fs = open(path);
  assert.match(fs.status ?? '', /read-only: .*FS_TREE.*csum/);
  fails('EUCLEAN', /FS_TREE/, () => read(fs, 'x'));
  assert.ok(fsio(['-r', '-c', 'dump-tree -t root', path]).stdout.startsWith('root tree\n'));
  fs.unmount();
});

test('seed and sprout', () => {
  const dir = scratch(true);
  const [seed] = makeBtrfs(dir, { name: 'seed', args: [] }) as [string];
  withBtrfs([seed], (mount) => writeFileSync(join(mount, 'old'), OLD));
  must('btrfstune', '-f', '-S', '1', seed);
  const sprout = join(dir, '1.img');
  writeFileSync(sprout, '');
  truncateSync(sprout, 400 * 2 ** 20);
  const loop = must('losetup', '--find', '--show', sprout).trim();
  try {
    withBtrfs([seed], (mount) => {
      must('btrfs', 'device', 'add', '-f', loop, mount);
      must('mount', '-o', 'remount,rw', mount);
      writeFileSync(join(mount, 'new'), NEW);
    });
  } finally {
    run('losetup', ['-d', loop]);
  }
  const plain = open(seed);
  assert.match(plain.status ?? '', /seed/);
  assertBytes(read(plain, 'old'), OLD);
  fails('EROFS', /./, () => write(plain, 'x', NEW));
  plain.unmount();

  const before = readFileSync(seed);
  const fs = open(sprout);
  assert.is(fs.status, null);
  assertBytes(read(fs, 'old'), OLD);
  assertBytes(read(fs, 'new'), NEW);
  write(fs, 'third', OLD);
  write(fs, 'old', NEW);
  fs.unmount();
  assert.ok(readFileSync(seed).equals(before), 'the seed is as it was');
  const named = open(sprout, [seed]);
  assertBytes(read(named, 'old'), NEW);
  named.unmount();
  assert.equal(checkComplaints([sprout, seed], true), []);
  withBtrfs([sprout, seed], (mount) => {
    assertBytes(readFileSync(join(mount, 'third')), OLD);
    assertBytes(readFileSync(join(mount, 'old')), NEW);
  });

  mkdirSync(join(dir, 'elsewhere'));
  renameSync(sprout, join(dir, 'elsewhere', '1.img'));
  const alone = open(join(dir, 'elsewhere', '1.img'));
  assert.match(alone.status ?? '', /read-only: .*device 1 missing/);
  fails('EIO', /device 1 missing/, () => read(alone, 'old'));
});

test.run();
