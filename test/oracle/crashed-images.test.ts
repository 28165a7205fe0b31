// time limit: 180 s
/**
 * Images that Linux left behind in a crash: parallel writers, renames, unlinks, reflinks, punches and attributes, and
 * in the middle of it a shutdown of the file system. What we read without touching the image must be what Linux finds
 * after its own recovery of a copy; after our first write the image must be sound. Also with sectors of the newest
 * records destroyed: then either both read the same or both refuse.
 */
import { createHash } from 'node:crypto';
import { closeSync, openSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { fsioOn, missingFsio } from '../harness/fsio.ts';
import { fsioInside } from '../harness/fsio-inside.ts';
import { type ImageName, imageDigest, unpackImage } from '../harness/images.ts';
import {
  copyImage,
  makeXfs,
  missingJudges,
  must,
  readAt,
  repairComplaints,
  run,
  withMount,
} from '../harness/kernel.ts';
import { missingPython } from '../harness/kernel-names.ts';
import { announceSeed, Random, rounds } from '../harness/random.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';

const test = gatedSuite('crashed images', missingJudges() ?? missingFsio() ?? missingPython());
const dir = scratch(true);
const random = new Random(announceSeed('crashed images'));

/** Made by mkfs with these words, or the shared image of this name: the installed mkfs may not know what it has. */
const KINDS: readonly (readonly [name: string, mkfs: string, image?: ImageName])[] = [
  ['default', ''],
  ['1 KiB blocks', '-b size=1024 -m rmapbt=1 -i nrext64=1'],
  ['stripe unit', '-l su=32k,size=16m'],
  ['parent pointers and exchange-range', '', 'xfs-7.2'],
  ['log that wraps', '-l size=13m -m rmapbt=1'],
];

/** Three processes change the tree until the shutdown; some unlinked files stay open. */
const LOAD = `
import ctypes, fcntl, os, random, struct, subprocess, sys, time
root, seed, seconds, how = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
libc = ctypes.CDLL(None)
def falloc(fd, mode, start, length): libc.fallocate(fd, mode, ctypes.c_long(start), ctypes.c_long(length))
def load(top, r):
    held = []
    name = lambda: os.path.join(top, 'd%d' % r.randrange(3), 'f%d' % r.randrange(40) + 'x' * r.choice([0, 0, 60]))
    for i in range(3): os.makedirs(os.path.join(top, 'd%d' % i))
    end = time.time() + 20
    while time.time() < end:
        op, fds = r.randrange(13), []
        def opened(flags=os.O_RDWR):
            fds.append(os.open(name(), flags))
            return fds[-1]
        try:
            if op < 3:
                fd = opened(os.O_RDWR | os.O_CREAT)
                for _ in range(3): os.pwrite(fd, bytes([r.randrange(256)]) * r.randrange(1, 30000), r.randrange(300000))
                if r.random() < .3: os.fsync(fd)
                if r.random() < .1 and len(held) < 9: held.append(fds.pop())
            elif op < 5: os.unlink(name())
            elif op == 5: os.rename(name(), name())
            elif op == 6:
                a = opened()
                fcntl.ioctl(opened(os.O_RDWR | os.O_CREAT), 0x4020940d, struct.pack('qQQQ', a, 0, 0, 0))
            elif op == 7: falloc(opened(), 3, r.randrange(300000), r.randrange(1, 90000))
            elif op == 8: falloc(opened(), r.choice([8, 32, 16, 1]), 4096 * r.randrange(9), 4096 * r.randrange(1, 9))
            elif op == 9: os.truncate(name(), r.randrange(300000))
            elif op == 10: os.setxattr(name(), 'user.a%d' % r.randrange(20), os.urandom(r.choice([3, 500, 9000])))
            elif op == 11:
                pair = [opened(), opened()]
                at = 4096 * r.randrange(9)
                fcntl.ioctl(pair[1], 0x40285881, struct.pack('iIQQQQ', pair[0], 0, at, at, 0, 1) if r.random() < .5 else struct.pack('iIQQQQ', pair[0], 0, at, at, 4096 * r.randrange(1, 20), 0))
            else: os.removexattr(name(), 'user.a%d' % r.randrange(20))
        except OSError as e:
            if e.errno == 5: break
        finally:
            for fd in fds: os.close(fd)
kids = []
for i in range(3):
    pid = os.fork()
    if pid == 0:
        try: load(os.path.join(root, 'p%d' % i), random.Random(seed + i))
        finally: os._exit(0)
    kids.append(pid)
time.sleep(seconds)
subprocess.run(['xfs_io', '-x', '-c', how, root], check=True)
for pid in kids: os.waitpid(pid, 0)
`;

const WALK = `
import fcntl, hashlib, json, os, stat, struct, sys
def extents(fd):
    buf = bytearray(struct.pack('QQIIII', 0, 2**64 - 1, 0, 0, 2000, 0) + bytes(56 * 2000))
    fcntl.ioctl(fd, 0xc020660b, buf)
    rows = [struct.unpack_from('QQQQQI', buf, 32 + 56 * i) for i in range(struct.unpack_from('I', buf, 20)[0])]
    return [[a, b, c, f & 0x2801] for a, b, c, _, _, f in rows]
def look(path, rel):
    try: s = os.lstat(path)
    except OSError as e:
        print(json.dumps({'path': rel or '/', 'error': str(e)}))
        return
    e = {'ino': s.st_ino, 'mode': s.st_mode & 0o7777, 'nlink': s.st_nlink, 'mtime': '%d.%09d' % divmod(s.st_mtime_ns, 10**9)}
    x = {n: hashlib.sha256(os.getxattr(path, n)).hexdigest() for n in sorted(os.listxattr(path)) if n.startswith('user.')}
    if x: e['xattrs'] = x
    if stat.S_ISREG(s.st_mode):
        with open(path, 'rb') as f: e.update(size=s.st_size, sha256=hashlib.sha256(f.read()).hexdigest(), extents=extents(f.fileno()))
    print(json.dumps(dict(e, path=rel or '/')))
    if stat.S_ISDIR(s.st_mode):
        for n in os.listdir(path): look(os.path.join(path, n), rel + '/' + n)
look(sys.argv[1], '')
`;

interface Entry {
  readonly path: string;
  /** Set for an inode that cannot be read: a record that was destroyed may leave one. */
  readonly error?: string;
  readonly type?: string;
  readonly size?: number;
  readonly xattrs?: Readonly<Record<string, string>>;
  readonly [key: string]: unknown;
}

/** What both say of every path, as lines that can be compared. */
function lines(text: string): string[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const e = JSON.parse(line) as Entry;
      if (e.error !== undefined) return JSON.stringify([e.path, 'damaged']);
      const xattrs = Object.entries(e.xattrs ?? {}).sort();
      const size = e.sha256 === undefined ? null : e.size;
      return JSON.stringify([e.path, e.ino, e.mode, e.nlink, size, e.mtime, e.sha256, xattrs, e.extents]);
    })
    .sort();
}

interface LinuxView {
  entries: string[];
  /** What xfs_repair says after Linux's own recovery: a large attribute whose writing was cut short stays incomplete. */
  readonly complaints: string[];
}

/** Linux's view after its recovery of a copy, or null if it refuses to mount. */
function linuxView(image: string): LinuxView | null {
  const copy = copyImage(image, join(dir, 'judge.img'));
  try {
    const entries = withMount(copy, (at) => lines(must('python3', '-c', WALK, at)));
    return { entries, complaints: repairComplaints(copy) };
  } catch (error) {
    if (/does not mount/.test(String(error))) return null;
    throw error;
  } finally {
    rmSync(copy);
  }
}

function ourView(image: string): string[] | null {
  const before = [imageDigest(image), statSync(image).mtimeMs];
  const outcome = fsioInside(['-r', '--json', '-c', 'manifest /', image]);
  assert.equal([imageDigest(image), statSync(image).mtimeMs], before, 'reading changed the image');
  // Without any path the image was refused; the object that ends a list with gaps has none either.
  const items = outcome.stdout.split('\n').filter((line) => line.startsWith('{"path"'));
  return items.length > 0 ? lines(items.join('\n')) : null;
}

/**
 * Inodes of an exchange to the end of both files that the crash cut short. Linux finishes it with the old size in
 * memory, and on letting go of the inode frees what lies behind that: data of the file, which we keep.
 */
function exchangedSizes(image: string): Set<number> {
  const { stdout } = fsioInside(['-r', '-c', 'logprint', image]);
  const done = new Set([...stdout.matchAll(/^XMD:.* id: (\w+)/gm)].map((match) => match[1]));
  const inodes = new Set<number>();
  for (const [, id, one, two, flags] of stdout.matchAll(
    /^XMI:.* id: (\w+)\n\(ino1: (\w+), .*ino2: (\w+), .* f: (\w+)\)/gm,
  ))
    if (!done.has(id) && (Number(flags) & SET_SIZES) !== 0) inodes.add(Number(one)).add(Number(two));
  return inodes;
}

/** The lines of other inodes, without extents: which blocks these inodes share is what is not to be compared. */
function withoutInodes(entries: readonly string[], inodes: ReadonlySet<number>): string[] {
  const items = entries.map((line) => JSON.parse(line) as unknown[]);
  return items.filter(([, ino]) => !inodes.has(ino as number)).map((item) => JSON.stringify(item.slice(0, 8)));
}

/** Flag of an exchange intent: the sizes are exchanged too. */
const SET_SIZES = 2;

/** Compares both views; returns Linux's. */
function agree(image: string, what: string): LinuxView | null {
  const unfinished = exchangedSizes(image);
  let ours = ourView(image);
  const theirs = linuxView(image);
  if (unfinished.size > 0) {
    ours = ours && withoutInodes(ours, unfinished);
    if (theirs !== null) theirs.entries = withoutInodes(theirs.entries, unfinished);
  }
  if (ours === null || theirs === null) {
    assert.is(ours === null ? 'refuses' : 'reads', theirs === null ? 'refuses' : 'reads', `${what}: fsio, Linux`);
    return null;
  }
  const odd = [
    ...ours.filter((line) => !theirs.entries.includes(line)).map((line) => `fsio:  ${line.slice(0, 600)}`),
    ...theirs.entries.filter((line) => !ours.includes(line)).map((line) => `Linux: ${line.slice(0, 600)}`),
  ];
  assert.is(odd.length, 0, `${what}: ${odd.sort().slice(0, 8).join('\n')}`);
  return theirs;
}

/**
 * A complaint of xfs_repair without what may differ: an attribute that is not complete does not count among the blocks
 * of its inode, of which Linux has given back some beyond the end of the file.
 */
function sameWrong(line: string): string {
  return line.replace(/bad nblocks (\d+) for inode (\d+), would reset to (\d+)/, (_, has, ino, should) => {
    return `bad nblocks of inode ${ino}: ${Number(has) - Number(should)} too many`;
  });
}

function firstWrite(image: string, theirs: LinuxView, what: string): void {
  const outcome = fsioOn(image, '/written', ['pwrite -q -S 0x5a 0 5000'], ['-f']);
  assert.is(`${outcome.status} ${outcome.stderr}`, '0 ', `${what}: first write`);
  const known = new Set(theirs.complaints.map(sameWrong));
  const worse = repairComplaints(image).filter((line) => !known.has(sameWrong(line)));
  const linux = theirs.complaints.length === 0 ? '' : ` (Linux: ${theirs.complaints.join('; ').slice(0, 600)})`;
  assert.equal(worse, [], `${what}: after the first write${linux}`);
  const content = withMount(image, (at) => readFileSync(join(at, 'written')));
  const want = createHash('sha256').update(Buffer.alloc(5000, 0x5a)).digest('hex');
  assert.is(createHash('sha256').update(content).digest('hex'), want);
}

/** Destroys a few sectors of one of the newest records. */
function tear(image: string): void {
  const sb = readAt(image, 0, 512);
  const blockSize = sb.readUInt32BE(4);
  const logStart = Number(sb.readBigUInt64BE(48));
  const log = sb[124] as number;
  const block = Math.floor(logStart / 2 ** log) * sb.readUInt32BE(84) + (logStart % 2 ** log);
  const bytes = readAt(image, block * blockSize, sb.readUInt32BE(96) * blockSize);
  const sectors = bytes.length / 512;
  const heads = Array.from({ length: sectors }, (_, i) => i).filter((i) => bytes.readUInt32BE(i * 512) === 0xfeedbabe);
  heads.sort((a, b) => Number(bytes.readBigUInt64BE(a * 512 + 16) - bytes.readBigUInt64BE(b * 512 + 16)));
  const head = heads[heads.length - 1 - random.below(Math.min(3, heads.length))] as number;
  const length = Math.ceil(bytes.readUInt32BE(head * 512 + 12) / 512) + 1;
  const fd = openSync(image, 'r+');
  for (let i = random.between(1, 3); i > 0; i--) {
    const sector = (head + random.below(length)) % sectors;
    const rubbish = Buffer.alloc(512, random.oneIn(2) ? 0 : random.below(256));
    writeSync(fd, rubbish, 0, 512, block * blockSize + sector * 512);
  }
  closeSync(fd);
}

function crash(image: string): void {
  const how = random.oneIn(2) ? 'shutdown' : 'shutdown -f';
  const seed = random.below(1e9);
  withMount(image, (at) => {
    const outcome = run('python3', ['-c', LOAD, at, `${seed}`, `${0.3 + random.unit()}`, how]);
    assert.is(outcome.status, 0, outcome.stderr);
  });
}

let judged = 0;

/** Judges an image; one that fails stays as the crash left it in the directory FSIO_KEEP: the same seed makes another. */
function keepingFailed(image: string, judge: () => void): void {
  const { FSIO_KEEP } = process.env;
  if (FSIO_KEEP === undefined) return judge();
  const kept = copyImage(image, join(FSIO_KEEP, `crashed-${process.pid}-${judged++}.img`));
  judge();
  rmSync(kept);
}

for (const [name, args, shared] of KINDS) {
  test(name, () => {
    for (let round = rounds(1); round > 0; round--) {
      const path = join(dir, 'crashed.img');
      const words = args.split(' ').filter((word) => word !== '');
      const image = shared === undefined ? makeXfs(path, { args: words, tiny: true }) : unpackImage(shared, path);
      // The files of a shared image are not for the judge's walk: holes of terabytes, links to nowhere.
      if (shared !== undefined) withMount(image, (at) => must('sh', '-c', `rm -rf ${at}/*`));
      crash(image);
      const torn = copyImage(image, join(dir, 'torn.img'));
      keepingFailed(image, () => {
        const seen = agree(image, name);
        assert.ok(seen !== null && seen.entries.length > 12, `${name}: nothing to compare`);
        firstWrite(image, seen as LinuxView, name);
      });
      tear(torn);
      keepingFailed(torn, () => {
        const seen = agree(torn, `${name}, torn`);
        if (seen !== null) firstWrite(torn, seen, `${name}, torn`);
      });
    }
  });
}

test.run();
