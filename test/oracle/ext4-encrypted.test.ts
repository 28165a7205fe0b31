/**
 * Encrypted directories, read without their keys: Linux shows names in a form of their own, sizes and kinds, and opens
 * no file. The key is known only while Linux fills the image.
 */
import { lstatSync, mkdirSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { openDevice } from '../../core/device/open.ts';
import type { Inode } from '../../core/vfs/inode.ts';
import { makeExt4, missingExt4Judges } from '../harness/ext4-judge.ts';
import { fsioInside } from '../harness/fsio-inside.ts';
import { must, run, withLoop } from '../harness/kernel.ts';
import { mountDevice } from '../harness/mount-device.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';

const test = gatedSuite('encrypted directories', missingExt4Judges());
const dir = scratch(true);

function fill(at: string): void {
  mkdirSync(join(at, 'enc'));
  const added = run('xfs_io', ['-c', 'add_enckey', at], { input: 'k'.repeat(64) });
  const key = /identifier (\w+)/.exec(added.stdout)?.[1];
  assert.ok(key !== undefined, `no key was added: ${added.stdout}${added.stderr}`);
  must('xfs_io', '-c', `set_encpolicy -v 2 ${key}`, join(at, 'enc'));
  for (let i = 0; i < 160; i++) writeFileSync(join(at, 'enc', `file-${i}-${'y'.repeat(i % 90)}`), `data ${i}`);
  mkdirSync(join(at, 'enc/sub'));
  writeFileSync(join(at, 'enc/sub', 'L'.repeat(230)), 'long');
  symlinkSync('target', join(at, 'enc/sub/link'));
  symlinkSync('t'.repeat(200), join(at, 'enc/sub/long-link'));
}

const ENTRIES = `
import ctypes, json, os, struct, sys
libc, buf = ctypes.CDLL(None), ctypes.create_string_buffer(1 << 16)
fd, out = os.open(sys.argv[1], os.O_RDONLY), []
while True:
    n, at = libc.getdents64(fd, buf, len(buf)), 0
    if n <= 0: break
    while at < n:
        ino, off, length, _ = struct.unpack_from('=QQHB', buf.raw, at)
        out.append([buf.raw[at + 19:at + length].split(b'\\0', 1)[0].decode('latin1'), ino, str(off)])
        at += length
print(json.dumps(out))
`;

/** Compares a directory and those in it; returns how many names. */
function compare(ours: Inode, at: string): number {
  const entries = [...ours.entries()];
  const got = entries.map(({ name, ino, offset }) => [name, ino, String(offset)]);
  assert.equal(got, JSON.parse(must('python3', '-c', ENTRIES, at)), at);
  let count = 0;
  for (const { name } of entries) {
    if (name === '.' || name === '..') continue;
    count++;
    const child = ours.child(name) as Inode;
    const path = join(at, name);
    const linux = lstatSync(path);
    const { ino, size, kind } = child.stat();
    assert.equal([ino, size], [linux.ino, linux.size], path);
    if (kind === 'symlink') assert.is(child.readlink(), readlinkSync(path));
    if (kind === 'dir') count += compare(child, path);
  }
  return count;
}

const POLICY: readonly (readonly [word: string, name: string])[] = [
  ['get_encpolicy', 'enc'],
  ['get_encpolicy -1', 'enc'],
  ['get_encpolicy -t', 'enc'],
  ['get_encpolicy', 'lost+found'],
];

for (const args of ['-b 4096', '-b 1024'])
  test(args, () => {
    const image = makeExt4(join(dir, 'encrypted.img'), {
      args: `-t ext4 -O encrypt ${args}`.split(' '),
      bytes: 48 << 20,
    });
    withLoop(image, fill);
    const fs = mountDevice(openDevice(image), { readOnly: true });
    const words = (target: string) => ['-r', '-c', 'pread 0 4', target];
    const isFile = ({ kind }: { kind: unknown }) => kind === 'file';
    const file = [...(fs.root().child('enc') as Inode).entries()].find(isFile)?.name ?? '';
    const look = (at: string): string[] => {
      assert.ok(compare(fs.root(), at) > 160);
      const policies = POLICY.map(([word, name]) => run('xfs_io', ['-r', '-c', word, join(at, name)]));
      const all = [...policies, run('xfs_io', words(join(at, 'enc', file)))];
      return all.map(({ stdout, stderr }) => `${stdout}${stderr}`.replace(at, `${image}:`));
    };
    const theirs = withLoop(image, look, 'ro');
    const all = [
      ...POLICY.map(([word, name]) => ['-r', '-c', word, `${image}:/${name}`]),
      words(`${image}:/enc/${file}`),
    ];
    const ours = all.map((args) => fsioInside(args)).map(({ stdout, stderr }) => `${stdout}${stderr}`);
    assert.equal(ours, theirs);
    assert.match(theirs[0] as string, 'AES-256-XTS');
    assert.match(theirs.at(-1) as string, 'Required key not available');
  });

test.run();
