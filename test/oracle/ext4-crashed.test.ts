// time limit: 180 s
/**
 * Images that Linux left behind in a crash: writers, renames, links, unlinks, punches, attributes, open files without a
 * name, and in the middle of it a shutdown; with fast commits too. What we read without touching the image must be what
 * Linux finds after its own recovery of a copy, and what recovery in memory makes of the image is nothing that e2fsck
 * complains about. With a block of the journal destroyed both read the same, or both refuse.
 */
import { closeSync, ftruncateSync, openSync, rmSync, statfsSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { openDevice } from '../../core/device/open.ts';
import { FsError } from '../../core/errors.ts';
import type { Filesystem } from '../../core/vfs/filesystem.ts';
import type { Ext4Filesystem } from '../../formats/ext4/filesystem.ts';
import { makeExt4, missingExt4Judges } from '../harness/ext4-judge.ts';
import { fsioInside } from '../harness/fsio-inside.ts';
import { imageDigest } from '../harness/images.ts';
import { copyImage, readAt, run, withLoop } from '../harness/kernel.ts';
import { mountDevice } from '../harness/mount-device.ts';
import { announceSeed, Random, rounds } from '../harness/random.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';
import { compareTree, UNWRITTEN } from '../harness/tree-compare.ts';

const test = gatedSuite('crashed ext4 images', missingExt4Judges());
const dir = scratch(true);
const random = new Random(announceSeed('crashed ext4 images'));

interface Kind {
  readonly name: string;
  readonly args: string;
  readonly mount?: string;
  /** Every step is synced, so that fast commits are made of it. */
  readonly synced?: true;
}

const KINDS: readonly Kind[] = [
  { name: 'ext4', args: '-t ext4 -b 4096' },
  { name: 'ext3, 1 KiB blocks', args: '-t ext3 -b 1024' },
  { name: 'data in the journal, orphan file', args: '-t ext4 -O orphan_file', mount: 'data=journal' },
  { name: 'journal checksums of version 1', args: '-t ext4 -b 1024 -O ^metadata_csum', mount: 'journal_checksum' },
  { name: 'bigalloc, journal that wraps', args: '-t ext4 -b 1024 -O bigalloc,^64bit -C 16384 -J size=1' },
  { name: 'inline data, value inodes', args: '-t ext4 -O inline_data,ea_inode -I 256' },
  { name: 'fast commits, 1 KiB blocks', args: '-t ext4 -b 1024 -O fast_commit -J size=4', synced: true },
];

const LOAD = `
import ctypes, fcntl, os, random, struct, sys, time
root, seed, seconds, how, synced = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]), sys.argv[5] == '1'
r = random.Random(seed)
libc = ctypes.CDLL(None)
def falloc(fd, mode, start, length): libc.fallocate(fd, mode, ctypes.c_long(start), ctypes.c_long(length))
name = lambda: os.path.join(root, 'd%d' % r.randrange(3), 'f%d' % r.randrange(40) + 'x' * r.choice([0, 0, 60, 200]))
for i in range(3): os.makedirs(os.path.join(root, 'd%d' % i))
held, top, end = [], os.open(root, os.O_RDONLY), time.time() + seconds
libc.syncfs(top)
while time.time() < end:
    op, fds = r.randrange(14), []
    def opened(flags=os.O_RDWR):
        fds.append(os.open(name(), flags))
        return fds[-1]
    try:
        if op < 4:
            fd = opened(os.O_RDWR | os.O_CREAT)
            for _ in range(3): os.pwrite(fd, bytes([r.randrange(256)]) * r.randrange(1, 30000), r.randrange(300000))
            if synced or r.random() < .2: os.fsync(fd)
            if r.random() < .2 and len(held) < 9: held.append(fds.pop())
        elif op < 6: os.unlink(name())
        elif op == 6: os.rename(name(), name())
        elif op == 7: os.link(name(), name())
        elif op == 8: falloc(opened(), r.choice([0, 1, 3]), r.randrange(300000), r.randrange(1, 90000))
        elif op == 9: os.truncate(name(), r.randrange(300000))
        elif op == 10: falloc(opened(), r.choice([8, 32, 16]), 4096 * r.randrange(9), 4096 * r.randrange(1, 9))
        elif op == 11: os.setxattr(name(), 'user.a%d' % r.randrange(20), os.urandom(r.choice([3, 50, 500, 5000])))
        elif op == 12: os.mkdir(name() + '.d') if r.random() < .6 else os.rmdir(name() + '.d')
        else: os.symlink('t' * r.choice([5, 59, 60, 300]), name() + '.s') if r.random() < .7 else os.unlink(name() + '.s')
        if synced and r.random() < .5: os.fsync(opened(os.O_RDWR | os.O_CREAT))
    except OSError: pass
    finally:
        for fd in fds: os.close(fd)
fcntl.ioctl(top, 0x8004587d, struct.pack('I', how))
`;

/** Makes an image and crashes it. */
function crash({ args, mount, synced }: Kind): string {
  const image = makeExt4(join(dir, 'crashed.img'), { args: args.split(' '), bytes: 64 * 2 ** 20 });
  const words = [`${random.below(1e9)}`, `${0.15 + random.unit() / 5}`, `${random.below(3)}`, synced ? '1' : '0'];
  withLoop(image, (at) => assert.is(run('python3', ['-c', LOAD, at, ...words]).stderr, ''), mount);
  return image;
}

/** EIO, EBADMSG, EUCLEAN, of Python's calls and of Node's. */
const DAMAGED = /Errno (5|74|117)\]|EIO|EBADMSG|EUCLEAN|needs cleaning/;

/** Compares what we read with what Linux has after its recovery of a copy; null if both refuse, or Linux cannot look. */
function agree(image: string, what: string): Filesystem | null {
  const before = [imageDigest(image), statSync(image).mtimeMs];
  const copy = copyImage(image, join(dir, 'judge.img'));
  const mountedAt = BigInt(Date.now()) * 1_000_000n;
  const fs = tryMount(image);
  const wrong: string[] = [];
  let count = 0;
  const look = (at: string): void => {
    if (fs === null) return;
    count = compareTree(fs.root(), Buffer.from(at), wrong, { extentFlags: UNWRITTEN, mountedAt, joined: true });
    const { blocks, bfree, bavail, files, ffree } = fs.statfs();
    const linux = statfsSync(at);
    assert.equal(
      [blocks, bfree, bavail, files, ffree],
      [linux.blocks, linux.bfree, linux.bavail, linux.files, linux.ffree],
      what,
    );
  };
  let mounted = true;
  try {
    withLoop(copy, look, 'noatime');
  } catch (error) {
    // Without checksums a torn block is replayed, and Linux meets the damage when it looks.
    if (/torn/.test(what) && DAMAGED.test(String(error))) return null;
    if (!/does not mount/.test(String(error))) throw error;
    mounted = false;
  } finally {
    rmSync(copy);
  }
  assert.is(fs === null ? 'refuses' : 'reads', mounted ? 'reads' : 'refuses', `${what}: fsio, Linux`);
  assert.is(wrong.length, 0, `${what}: ${wrong.length} differences:\n${wrong.slice(0, 12).join('\n')}`);
  assert.equal([imageDigest(image), statSync(image).mtimeMs], before, 'reading changed the image');
  if (fs !== null) assert.ok(count > 15, `${what}: only ${count} paths compared`);
  return fs;
}

function tryMount(image: string): Filesystem | null {
  try {
    return mountDevice(openDevice(image), { readOnly: true });
  } catch (error) {
    if (error instanceof FsError && error.code !== 'EIO') return null;
    throw error;
  }
}

/** What e2fsck says of the image with all that recovery did in memory. */
function complaints(fs: Filesystem): string[] {
  const { device } = (fs as Ext4Filesystem).mp;
  const path = join(dir, 'recovered.img');
  const fd = openSync(path, 'w');
  ftruncateSync(fd, device.size);
  const piece = Buffer.alloc(2 ** 20);
  const nothing = Buffer.alloc(2 ** 20);
  for (let at = 0; at < device.size; at += piece.length) {
    device.read(at, piece);
    if (!piece.equals(nothing)) writeSync(fd, piece, 0, piece.length, at);
  }
  closeSync(fd);
  const { status, stdout } = run('e2fsck', ['-fn', path]);
  // Linux leaves trees that could be shorter.
  const odd = stdout.split('\n').filter((line) => !/^(Pass|$)|could be shorter| files \(/.test(line));
  return status === 0 || odd.length > 0 ? odd : [`exit status ${status}`];
}

/** Destroys a block of the journal, which begins at a multiple of its block size behind its superblock. */
function tear(image: string): void {
  const blockSize = 1024 << readAt(image, 1048, 4).readUInt32LE(0);
  const where = run('debugfs', ['-R', 'bmap <8> 0', image]).stdout;
  const start = Number(where.trim().split('\n').pop()) * blockSize;
  const sb = readAt(image, start, 1024);
  const [length, first] = [sb.readUInt32BE(28), sb.readUInt32BE(20)];
  const block = length === 0 ? first : length + random.below(60);
  const fd = openSync(image, 'r+');
  writeSync(
    fd,
    Buffer.alloc(512, random.below(256)),
    0,
    512,
    start + block * blockSize + 512 * random.below(blockSize / 512),
  );
  closeSync(fd);
}

function compareDump(image: string): void {
  const theirs = run('debugfs', ['-R', 'logdump -a', image]).stdout;
  // What a crash left in the superblock may keep debugfs from opening the image.
  if (theirs === '') return;
  assert.is(withoutStale(fsioInside(['-r', '-c', 'logdump -a', image]).stdout), withoutStale(theirs));
}

/** A head with nothing behind it is what an older commit left there, which debugfs prints too. */
function withoutStale(dump: string): string {
  return dump.replace(/\n\*\*\* Fast Commit Area \*\*\*\ntag HEAD[^\n]*\n$/, '');
}

for (const kind of KINDS) {
  test(kind.name, () => {
    for (let round = rounds(1); round > 0; round--) {
      const image = crash(kind);
      // Names in fast commits debugfs prints with what happens to follow them.
      if (kind.synced === undefined) compareDump(image);
      const torn = copyImage(image, join(dir, 'torn.img'));
      const fs = agree(image, kind.name);
      assert.ok(fs !== null, 'nothing to compare');
      // Linux's own replay of fast commits leaves directories with wrong counts.
      if (kind.synced === undefined) assert.equal(complaints(fs as Filesystem), []);
      tear(torn);
      agree(torn, `${kind.name}, torn`);
    }
  });
}

test.run();
