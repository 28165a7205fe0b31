/** Every path of the gfs2 images against what Linux said: every field, extent, position and attribute. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { OverlayDevice } from '../../core/device/overlay.ts';
import { FsError } from '../../core/errors.ts';
import { directRead } from '../../core/iomap/direct.ts';
import { bufferedRead } from '../../core/iomap/read.ts';
import { resolve } from '../../core/vfs/path.ts';
import { fileDifferences, statfsDifferences } from '../harness/gfs2-manifest.ts';
import { GFS2_IMAGES, gfs2Manifest, imageDevice } from '../harness/images.ts';
import { mountDevice } from '../harness/mount-device.ts';

const test = suite('gfs2 images');

for (const name of GFS2_IMAGES)
  test(`${name}: as Linux saw it`, () => {
    const device = new OverlayDevice(imageDevice(name));
    const manifest = gfs2Manifest(name);
    const fs = mountDevice(device);
    const meta = mountDevice(device, { subvol: 'gfs2meta' });
    const wrong = [
      ...statfsDifferences(fs, manifest),
      ...fileDifferences(fs, fs.root(), manifest.files),
      ...fileDifferences(meta, meta.root(), manifest.master),
    ];
    assert.is(wrong.length, 0, `${wrong.length} differences:\n${wrong.slice(0, 20).join('\n')}`);
    const paths = Object.keys(manifest.files).length;
    assert.ok(paths > 500, `only ${paths} paths compared`);
    assert.is([...device.written()].length, 0, 'the image changed');
  });

test('direct reads and buffered reads give the same bytes', () => {
  const fs = mountDevice(imageDevice('gfs2-512'));
  for (const path of ['/mib', '/sparse', '/tiny', '/jdata', '/far-40']) {
    const inode = resolve(fs, fs.root(), path);
    const [direct, buffered] = [new Uint8Array(65536), new Uint8Array(65536)];
    assert.is(directRead(inode, 0, direct), bufferedRead(inode, 0, buffered), path);
    assert.is(Buffer.compare(direct, buffered), 0, path);
  }
});

test('a dirty journal is not replayed with --norecovery, and the status says so', () => {
  const device = imageDevice('gfs2-dirty');
  assert.match(mountDevice(device, { norecovery: true }).status ?? '', /log not replayed: dirty journals 1/);
  assert.is(mountDevice(device).status, null);
});

test('every change is refused', () => {
  const fs = mountDevice(imageDevice('gfs2-4k'));
  const file = resolve(fs, fs.root(), '/mib');
  const changes = [
    () => fs.root().create('new', 0o644),
    () => fs.root().unlink('mib'),
    () => file.truncate(0),
    () => file.setXattr('user', 'a', new Uint8Array(1)),
    () => file.iomap.write.begin(file, 0, 1, 1, {} as never, {} as never),
    () => fs.setLabel?.('c:other'),
  ];
  for (const change of changes)
    assert.throws(change, (error: unknown) => error instanceof FsError && error.code === 'EROFS');
});

test('inode numbers: what is none is not found, whoever asks', () => {
  const fs = mountDevice(imageDevice('gfs2-4k'));
  const { ino } = resolve(fs, fs.root(), '/mib');
  assert.is(fs.iget(ino).ino, ino);
  for (const none of [0, 16, 17, ino + 1, 10 ** 9, 1.5])
    assert.throws(
      () => fs.iget(none),
      (error: unknown) => error instanceof FsError && error.code === 'ENOENT',
    );
});

test('an unknown version is refused by its number, a cluster is named', () => {
  const device = imageDevice('gfs2-4k');
  const patch = (at: number, bytes: Uint8Array) => {
    const overlay = new OverlayDevice(device);
    overlay.write(65536 + at, bytes);
    return overlay;
  };
  assert.throws(() => mountDevice(patch(24, Uint8Array.of(0, 0, 7, 11))), /unknown version of gfs2: format 1803/);
  const cluster = mountDevice(patch(96, Buffer.from('lock_dlm\0')));
  assert.match(cluster.status ?? '', /cluster .* another node may have it mounted/);
});

test.run();
