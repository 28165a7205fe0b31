// time limit: 200 s
/**
 * Damaged ext2, ext3 and ext4 images, most without checksums, so that every damage is believed at first: random bits and
 * extreme values in superblock, descriptors, bitmaps, inodes, directories, trees, attributes and the journal. Whatever
 * the damage, every operation ends, either well or with an FsError, and looking writes nothing.
 */
import { readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { MemoryDevice } from '../../core/device/memory.ts';
import { OverlayDevice } from '../../core/device/overlay.ts';
import type { Word } from '../../core/vfs/word.ts';
import type { Ext4Filesystem } from '../../formats/ext4/filesystem.ts';
import { BlockRun } from '../../formats/ext4/map/run.ts';
import { makeExt4, missingExt4Judges } from '../harness/ext4-judge.ts';
import { run, withLoop } from '../harness/kernel.ts';
import { mountDevice } from '../harness/mount-device.ts';
import { announceSeed, Random, rounds } from '../harness/random.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';
import { damageBytes } from './damage-bytes.ts';
import { Attempts, look } from './exercise.ts';

const test = gatedSuite('ext4 damage', missingExt4Judges());
const seed = announceSeed('ext4-damage');
const dir = scratch(true);
/** No single case may take longer, in milliseconds of this process's own time. */
const PATIENCE = 20_000;

const KINDS: readonly string[] = [
  '-t ext4 -b 1024 -O ^metadata_csum,inline_data,ea_inode,orphan_file -I 256',
  '-t ext4 -b 1024 -O ^metadata_csum,fast_commit,bigalloc -C 4096 -J size=4',
  '-t ext3 -b 1024',
  '-t ext4 -b 1024',
];

const FILL = `
import ctypes, fcntl, os, struct, sys
at = sys.argv[1]
libc = ctypes.CDLL(None)
def write(name, *places):
    with open(os.path.join(at, name), 'wb') as f:
        for place in places:
            f.seek(place)
            f.write(os.urandom(900))
        f.flush()
        os.fsync(f.fileno())
for name, count in (('one', 3), ('few', 20), ('many', 160)):
    os.mkdir(os.path.join(at, name))
    for i in range(count): open(os.path.join(at, name, 'n' * 40 + str(i)), 'w').close()
write('small', 0)
write('scattered', *range(0, 400000, 9000))
write('far', 0, 2**31, 2**32)
for length in (10, 70, 300): os.symlink('t' * length, os.path.join(at, 'link%d' % length))
os.mkfifo(os.path.join(at, 'fifo'))
for i in range(12):
    try: os.setxattr(os.path.join(at, 'small'), 'user.a%d' % i, bytes([i]) * (30 if i < 10 else 3000))
    except OSError: pass
top = os.open(at, os.O_RDONLY)
libc.syncfs(top)
held = [open(os.path.join(at, 'held%d' % i), 'wb') for i in range(3)]
for f in held:
    f.write(b'x' * 5000)
    f.flush()
    os.fsync(f.fileno())
    os.unlink(f.name)
write('late', 0, 50000)
os.rename(os.path.join(at, 'late'), os.path.join(at, 'one', 'late'))
os.mkdir(os.path.join(at, 'one', 'dir'))
write('later', 0)
fcntl.ioctl(top, 0x8004587d, struct.pack('I', 1))
`;

/** A crashed image in memory: its journal is to be replayed, and it has orphans. */
function crashed(args: string): MemoryDevice {
  const image = makeExt4(join(dir, 'image.img'), { args: args.split(' '), bytes: 24 * 2 ** 20 });
  withLoop(image, (at) => assert.is(run('python3', ['-c', FILL, at]).stderr, ''));
  const bytes = readFileSync(image);
  const device = new MemoryDevice(bytes.length, { name: 'image.img' });
  for (let at = 0; at < bytes.length; at += 65536) {
    const part = bytes.subarray(at, at + 65536);
    if (part.some((byte) => byte !== 0)) device.write(at, part);
  }
  return device;
}

/** Blocks that the format itself reads, by what they hold. */
function victims(base: MemoryDevice): Map<string, number[]> {
  const { mp } = mountDevice(new OverlayDevice(base), { readOnly: true, norecovery: true }) as Ext4Filesystem;
  const found = new Map<string, number[]>();
  const add = (what: string, block: number): void => void found.set(what, [...(found.get(what) ?? []), block]);
  add('superblock', 1);
  const run = new BlockRun();
  for (let group = 0; group < mp.groupCount; group++) {
    add('descriptors', mp.groups.descBlock(group));
    add('bitmap', mp.groups.blockBitmap(group));
    add('bitmap', mp.groups.inodeBitmap(group));
  }
  for (let ino = 1; ino < 260; ino++) {
    const inode = mp.inodes.read(ino);
    if (inode.mode === 0) continue;
    add('inodes', inode.buf.addr / mp.blockSize);
    if (inode.fileAcl !== 0) add('attributes', inode.fileAcl);
    if (inode.kind !== 'dir' && ino !== 8 && inode.kind !== 'symlink') continue;
    for (let block = 0; block < Math.min(900, inode.size / mp.blockSize); block++) {
      if (inode.has('INLINE_DATA') || (inode.kind === 'symlink' && inode.size < 60)) break;
      inode.map(block, run);
      if (run.physical > 0) add(ino === 8 ? 'journal' : inode.kind, run.physical);
    }
  }
  // The words know where what leads to blocks lies.
  return found;
}

/** Lets the words of the format tell what they can, up to a number of results. */
function tell(fs: Ext4Filesystem, attempts: Attempts): void {
  const context = { fs, file: null, program: 'fsio', size: () => null, usage: () => new Error('usage') };
  const args = { options: {}, operands: [], words: [], last: () => null };
  for (const name of ['stats', 'logdump', 'freefrag'])
    attempts.try(() => {
      const word = fs.words.find((known: Word) => known.name === name) as Word;
      const answer = word.run({ ...context, lookup: () => fs.root() }, args);
      if (answer === undefined || !(Symbol.iterator in answer)) return;
      let left = 200;
      for (const _ of answer) if (left-- === 0) break;
    });
  attempts.try(() => fs.spaceMap());
}

function one(base: MemoryDevice, what: string, block: number, random: Random): Attempts {
  const damaged = new OverlayDevice(base);
  const bytes = new Uint8Array(1024);
  base.read(block * 1024, bytes);
  const how = Array.from({ length: random.between(1, 3) }, () => damageBytes(bytes, random, what !== 'journal')).join(
    ', ',
  );
  damaged.write(block * 1024, bytes);
  const label = `${what} block ${block}: ${how}`;
  // Written at once: when this case hangs, the runner stops us and the last line tells which it was.
  writeSync(1, `\n# case ${label}`);
  const started = process.cpuUsage();
  const attempts = new Attempts();
  try {
    for (const norecovery of [false, true]) {
      const looking = new OverlayDevice(damaged);
      const fs = attempts.try(() => mountDevice(looking, { norecovery }));
      if (fs !== null) {
        look(fs, attempts);
        tell(fs as Ext4Filesystem, attempts);
        attempts.try(() => fs.unmount());
      }
      assert.is([...looking.written()].length, 0, 'looking changed the image');
    }
  } catch (error) {
    if (error instanceof Error) error.message = `seed ${seed}: ${label}: ${error.message}`;
    throw error;
  }
  const { user, system } = process.cpuUsage(started);
  assert.ok(user + system < PATIENCE * 1000, `${label}: took ${Math.round((user + system) / 1000)} ms`);
  return attempts;
}

for (const [index, args] of KINDS.entries())
  test(args, () => {
    const base = crashed(args);
    const blocks = victims(base);
    const kinds = [...blocks.keys()];
    assert.ok(kinds.length >= 5, `found only ${kinds.join(', ')}`);
    const random = new Random(seed + index);
    let refused = 0;
    for (let i = 0; i < rounds(16); i++) {
      const what = random.pick(kinds);
      if (one(base, what, random.pick(blocks.get(what) as number[]), random).refused.size > 0) refused++;
    }
    assert.ok(refused > 0, 'no damage was ever noticed');
  });

test.run();
