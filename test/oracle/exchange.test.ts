// time limit: 200 s
/**
 * Exchanging ranges of files, done by Linux on a mounted image through XFS_IOC_EXCHANGE_RANGE and by ourselves on an
 * unmounted copy: the same answer to each, the same bytes and sizes afterwards, and nothing for xfs_repair to say.
 */
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { openDevice } from '../../core/device/open.ts';
import { FsError } from '../../core/errors.ts';
import { fiemap } from '../../core/iomap/fiemap.ts';
import { File } from '../../core/vfs/file.ts';
import type { Filesystem } from '../../core/vfs/filesystem.ts';
import type { ExchangeOptions } from '../../core/vfs/inode.ts';
import { sayExchange } from '../harness/exchange-image.ts';
import { fsio, missingFsio } from '../harness/fsio.ts';
import { copyImage, makeXfs, missingJudges, repairComplaints, run, withMount } from '../harness/kernel.ts';
import { missingPython } from '../harness/kernel-names.ts';
import { mountDevice } from '../harness/mount-device.ts';
import { announceSeed, Random, rounds } from '../harness/random.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';

const test = gatedSuite('exchange-range', missingJudges() ?? missingFsio() ?? missingPython());
const seed = announceSeed('exchange');
const FILES = ['a', 'b', 'c', 'd'];
const [TO_EOF, DRY_RUN, FILE1_WRITTEN] = [1, 4, 8];

/** A call by name, then a file and numbers; of an exchange: file 1, its position, file 2, its position, length, flags. */
type Op = readonly [string, ...(string | number)[]];

const KERNEL = `
import ctypes, errno, fcntl, hashlib, json, os, struct, sys
root, ops = sys.argv[1], json.load(sys.stdin)
libc = ctypes.CDLL(None, use_errno=True)
def fd(name): return os.open(os.path.join(root, name), os.O_RDWR | os.O_CREAT, 0o644)
def falloc(f, mode, pos, size):
    if libc.fallocate(f, mode, ctypes.c_long(pos), ctypes.c_long(size)): raise OSError(ctypes.get_errno(), '')
def exchange(a, pos1, b, pos2, length, flags):
    other = fd(b)
    try: fcntl.ioctl(other, 0x40285881, struct.pack('<iIQQQQ', a, 0, pos1, pos2, length, flags))
    finally: os.close(other)
def clone(a, b):
    source = fd(b)
    try: fcntl.ioctl(a, 0x40049409, source)
    finally: os.close(source)
calls = {
    'write': lambda f, pos, size, byte: os.pwrite(f, bytes([byte]) * size, pos), 'truncate': os.ftruncate,
    'falloc': lambda f, *a: falloc(f, 0, *a), 'keep': lambda f, *a: falloc(f, 1, *a), 'punch': lambda f, *a: falloc(f, 3, *a),
    'fsync': os.fsync, 'clone': clone, 'exchange': exchange,
}
answers = []
for name, file, *args in ops:
    f = fd(file)
    try:
        calls[name](f, *args)
        answers.append('ok %d' % os.fstat(f).st_size)
    except OSError as e: answers.append(errno.errorcode[e.errno])
    finally: os.close(f)
print(json.dumps(answers))
`;

function perform(fs: Filesystem, [name, path, ...args]: Op): string {
  const open = (called: string): File =>
    new File(fs.root().child(called) ?? fs.root().create(called, 0o644), { write: true });
  const file = open(String(path));
  const other = name === 'clone' ? open(String(args[0])) : name === 'exchange' ? open(String(args[1])) : null;
  const [first, second, third, fourth, fifth] = args.map(Number) as [number, number, number, number, number];
  const { inode } = file;
  try {
    if (name === 'write') file.write(first, Buffer.alloc(second, third));
    else if (name === 'truncate') file.truncate(first);
    else if (name === 'falloc' || name === 'keep') inode.fallocate('allocate', first, second, name === 'keep');
    else if (name === 'punch') inode.fallocate('punch', first, second, true);
    else if (name === 'fsync') file.fsync(false);
    else if (name === 'clone') inode.reflink((other as File).inode, 0, 0, 0);
    else inode.exchangeRange(first, (other as File).inode, third, fourth, exchangeFlags(fifth));
    return `ok ${inode.size}`;
  } catch (error) {
    if (error instanceof FsError) return error.code;
    throw error;
  } finally {
    other?.close();
    file.close();
  }
}

function exchangeFlags(bits: number): ExchangeOptions {
  const has = (bit: number): boolean => (bits & bit) !== 0;
  return { toEof: has(TO_EOF), dryRun: has(DRY_RUN), fileOneWritten: has(FILE1_WRITTEN) };
}

function randomOp(random: Random, unit: number, reflink: boolean): Op {
  const file = random.pick(FILES);
  const place = (): number => random.below(24) * unit + (random.oneIn(6) ? random.below(unit) : 0);
  const length = (): number => random.between(1, 12) * unit - (random.oneIn(4) ? random.below(unit) : 0);
  switch (random.below(12)) {
    case 0:
    case 1:
    case 2:
      return ['write', file, place(), length(), random.between(1, 255)];
    case 3:
      return [random.pick(['falloc', 'keep', 'punch']), file, place(), length()];
    case 4:
      return ['truncate', file, place()];
    case 5:
      return reflink ? ['clone', file, random.pick(FILES)] : ['fsync', file];
    default: {
      const flags = random.pick([0, 0, 0, TO_EOF, TO_EOF, FILE1_WRITTEN, TO_EOF | FILE1_WRITTEN, DRY_RUN]);
      const pos = place();
      // Linux swaps the sizes as they are: from different places on, one file would show what it kept beyond its end.
      const other = (flags & TO_EOF) !== 0 ? pos : place();
      return ['exchange', file, pos, random.pick(FILES), other, random.oneIn(12) ? 0 : length(), flags];
    }
  }
}

/**
 * Size and sum of the files as Linux tells them of a mounted image. Not which blocks are holes: preallocation beyond
 * the end, which each side keeps as long as it likes, can come inside another file.
 */
function contents(image: string): string[] {
  return withMount(image, (at) =>
    FILES.map((file) => {
      const path = join(at, file);
      return `${run('sha256sum', [path]).stdout.slice(0, 64)} ${run('stat', ['-c', '%s', path]).stdout}`;
    }),
  );
}

/** Asks for every mapping, so that a wrong one in memory is met. */
function lookAtAll(fs: Filesystem): void {
  for (const file of FILES) {
    const inode = fs.root().child(file);
    if (inode !== null) fiemap(inode, 0, 2 ** 40, () => true);
  }
}

const KINDS: readonly (readonly [name: string, unit: number, ...args: string[]])[] = [
  ['default', 4096],
  ['1 KiB blocks', 1024, '-b', 'size=1024', '-m', 'rmapbt=1', '-i', 'nrext64=1'],
  ['reflink off', 4096, '-m', 'reflink=0'],
];

for (const [name, unit, ...args] of KINDS) {
  test(name, () => {
    const random = new Random(seed);
    const dir = scratch(true);
    const theirs = makeXfs(join(dir, 'kernel.img'), { args });
    sayExchange(theirs, true);
    const ours = copyImage(theirs, join(dir, 'fsio.img'));
    for (let round = 0; round < rounds(2); round++) {
      const ops = Array.from({ length: 120 }, () => randomOp(random, unit, name !== 'reflink off'));
      const answers = withMount(theirs, (at) => {
        const outcome = run('python3', ['-c', KERNEL, at], { input: JSON.stringify(ops) });
        assert.is(outcome.stderr, '');
        return JSON.parse(outcome.stdout) as string[];
      });
      assert.ok(answers.filter((answer, i) => answer.startsWith('ok') && ops[i]?.[0] === 'exchange').length > 5);
      const device = openDevice(ours);
      const fs = mountDevice(device);
      for (const [i, op] of ops.entries()) {
        assert.is(perform(fs, op), answers[i], `seed ${seed}, round ${round}, operation ${i}: ${op.join(' ')}`);
        if (i % 10 === 0) lookAtAll(fs);
      }
      fs.unmount();
      device.close();
      const wanted = contents(theirs);
      for (const [i, content] of contents(ours).entries())
        assert.is(content, wanted[i], `seed ${seed}, round ${round}, ${FILES[i]}`);
      sayExchange(ours, false);
      assert.equal(repairComplaints(ours), [], `seed ${seed}, round ${round}`);
      sayExchange(ours, true);
    }
  });
}

test('the word: the donor is file 1, as in xfs_io', () => {
  const image = makeXfs(join(scratch(true), 'word.img'));
  sayExchange(image, true);
  const outcome = fsio(
    [image],
    [
      'open -f /donor',
      'pwrite -q -S 0x64 0 4k',
      'truncate 16k',
      'open -f /open',
      'pwrite -q -S 0x6f 0 16k',
      'exchangerange -w -d 8k -s 0 -l 8k /donor',
      'exchangerange -d 1 -l 4k /donor',
      'pread -v 8k 1',
      'pread -v 12k 1',
      '',
    ].join('\n'),
  );
  assert.is(outcome.stderr, 'exchangerange: Invalid argument\n');
  assert.match(outcome.stdout, /^00002000: {2}64 .*\n(?:.*\n)*00003000: {2}6f /m);
  sayExchange(image, false);
  assert.equal(repairComplaints(image), []);
});

test.run();
