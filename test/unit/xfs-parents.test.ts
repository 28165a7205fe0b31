/** Parent pointers: after names came, moved and went, every inode points to just the names that directories have for it. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Inode } from '../../core/vfs/inode.ts';
import { attrPlaces } from '../../formats/xfs/attr/read.ts';
import type { XfsFilesystem } from '../../formats/xfs/filesystem.ts';
import type { XfsInode } from '../../formats/xfs/inode.ts';
import { inodePaths, parentNames } from '../../formats/xfs/inspect/parents.ts';
import { AttrFlag } from '../../formats/xfs/structure/attr.ts';
import { imageDevice } from '../harness/images.ts';
import { mountDevice } from '../harness/mount-device.ts';

const test = suite('parent pointers');

/** `parent/generation/name` of each name, by inode, as the directories say. */
function namesBelow(top: Inode): Map<number, string[]> {
  const names = new Map<number, string[]>();
  const todo = [top];
  for (let dir = todo.pop(); dir !== undefined; dir = todo.pop()) {
    for (const { name, ino } of dir.entries()) {
      if (name === '.' || name === '..') continue;
      const known = names.get(ino);
      const key = `${dir.ino}/${dir.stat().generation}/${name}`;
      if (known !== undefined) known.push(key);
      else names.set(ino, [key]);
      const inode = dir.fs.iget(ino);
      if (inode.kind === 'dir') todo.push(inode);
    }
  }
  return names;
}

function pointersOf(inode: Inode): string[] {
  const out: string[] = [];
  for (const { flags, name, local } of attrPlaces(inode as XfsInode)) {
    if ((flags & AttrFlag.PARENT) === 0 || local === null) continue;
    const value = Buffer.from(local);
    out.push(`${Number(value.readBigUInt64BE(0))}/${value.readUInt32BE(8)}/${Buffer.from(name).toString()}`);
  }
  return out;
}

test('follow every change of names', () => {
  const fs = mountDevice(imageDevice('xfs-7.2'));
  const left = fs.root().mkdir('left', 0o755);
  const right = fs.root().mkdir('right', 0o755);
  const file = left.create('file', 0o644);
  for (let i = 0; i < 300; i++) right.link(`a rather long name of a hard link, number ${i}`, file);
  for (let i = 0; i < 200; i++) right.rename(`a rather long name of a hard link, number ${i}`, left, `moved ${i}`);
  for (let i = 0; i < 150; i++) left.unlink(`moved ${i}`);
  for (let i = 0; i < 40; i++) {
    left.mkdir(`dir ${i}`, 0o755);
    left.symlink(`link ${i}`, 'x'.repeat(i * 24 + 1));
    left.mknod(`node ${i}`, 'fifo', 0o644, null);
    left.create(`file ${i}`, 0o644);
  }
  for (let i = 0; i < 40; i += 2) {
    left.rename(`dir ${i}`, right, `dir ${i}`);
    right.rename(`dir ${i}`, left, `file ${i}`, 'exchange');
    left.rename(`node ${i}`, left, `node ${i + 1}`);
  }
  for (const [ino, names] of namesBelow(fs.root())) {
    assert.equal(pointersOf(fs.iget(ino)).sort(), names.sort(), `inode ${ino}`);
  }
  assert.is(file.stat().nlink, 151);
});

for (const image of ['xfs-7.2', 'xfs-default'] as const) {
  test(`names and paths of inode numbers: ${image}`, () => {
    const fs = mountDevice(imageDevice(image));
    const { mp } = fs as XfsFilesystem;
    const deep = fs.root().mkdir('upper', 0o755).mkdir('lower', 0o755);
    const file = deep.create('file', 0o644);
    fs.root().link('other one', file);
    assert.equal([...inodePaths(mp, file.ino)].sort(), ['/other one', '/upper/lower/file']);
    assert.equal([...inodePaths(mp, fs.root().ino)], ['/']);
    for (const [ino, names] of namesBelow(fs.root())) {
      const found = Array.from(parentNames(mp, ino), (row) => `${row.ino}/${row.gen}/${row.name}`);
      assert.equal(found.sort(), names.sort(), `inode ${ino}`);
    }
  });
}

test.run();
