// time limit: 400 s
/**
 * Images of every layout that mkfs makes, filled by Linux and read by us: names in directory order with their
 * positions, stat, content, extents, link targets, attributes. The judge is Linux on a mounted copy.
 */
import { createHash } from 'node:crypto';
import {
  type BigIntStats,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { openDevice } from '../../core/device/open.ts';
import { fiemap } from '../../core/iomap/fiemap.ts';
import { bufferedRead } from '../../core/iomap/read.ts';
import type { Filesystem } from '../../core/vfs/filesystem.ts';
import type { Inode } from '../../core/vfs/inode.ts';
import { decodeName } from '../../core/vfs/names.ts';
import { makeXfs, missingJudges, must, run, withMount, xfsIo } from '../harness/kernel.ts';
import { mountDevice } from '../harness/mount-device.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';

const test = gatedSuite('reading every layout', missingJudges());
const dir = scratch();

const LAYOUTS: readonly (readonly [name: string, args: string, bytes?: number])[] = [
  ['1 KiB blocks, 16 KiB directory blocks', '-b size=1024 -n size=16384 -m rmapbt=1'],
  ['64 KiB directory blocks', '-n size=65536'],
  ['large inodes and counters', '-i size=2048,nrext64=1'],
  ['1 KiB blocks and directories', '-b size=1024 -n size=4096'],
  ['4 KiB sectors on a stripe', '-s size=4096 -d su=64k,sw=4 -l size=64m', 2 ** 30],
  ['9 groups of 16 KiB blocks', '-b size=16384 -d agcount=9', 2 ** 30],
  ['old times, no sparse inodes', '-m reflink=0,finobt=0,bigtime=0,inobtcount=0 -i sparse=0'],
];

const HAS_ATTRIBUTES = 0x80000000;

/** Directories of every form; deletions leave holes in entries, in the index and in whole blocks. */
function fillDirectories(at: string): void {
  for (const [name, count, length, keep] of [
    ['short', 3, 0, 1],
    ['block', 40, 10, 2],
    ['leaf', 130, 60, 3],
    ['node', 2500, 40, 1],
    ['holes', 3000, 24, 13],
  ] as const) {
    mkdirSync(join(at, name));
    const path = (i: number) => join(at, name, `${'n'.repeat(length)}${i}`);
    for (let i = 0; i < count; i++) writeFileSync(path(i), '');
    for (let i = 0; i < count; i++) if (i % keep !== 0 || (name === 'holes' && i < 800)) unlinkSync(path(i));
  }
}

function fillFiles(at: string): void {
  for (const length of [10, 300, 700, 1023]) symlinkSync('t'.repeat(length), join(at, `link-${length}`));
  must('mkfifo', join(at, 'fifo'));
  must('mknod', join(at, 'char'), 'c', '5', '70000');
  must('mknod', join(at, 'block-device'), 'b', '259', '3');
  writeFileSync(Buffer.concat([Buffer.from(`${at}/bad`), Buffer.of(0xff, 0x80), Buffer.from('name')]), 'x');
  writeFileSync(join(at, 'ü'.repeat(127)), 'y');
  linkSync(join(at, 'block/nnnnnnnnnn0'), join(at, 'hard'));
  utimesSync(join(at, 'fifo'), -5.25, -1_000_000);
  const frag = Array.from({ length: 400 }, (_, i) => `pwrite -q -S ${i % 250} ${i * 8192} ${1024 + (i % 7) * 512}`);
  xfsIo([...frag, 'fsync'].join('\n'), '-f', join(at, 'frag'));
  xfsIo('pwrite -q 0 100k\npwrite -q 10m 5000\nfalloc -k 1m 1m\nfpunch 8k 8k\nfsync', '-f', join(at, 'mixed'));
  xfsIo(`reflink ${join(at, 'mixed')} 0 64k 20k\nextsize 64k\nchattr +d\nchproj 77`, '-f', join(at, 'clone'));
  xfsIo('truncate 1t\npwrite -q 1023g 4k\nfsync', '-f', join(at, 'huge'));
}

/** Attributes in the inode, in one leaf, in a tree, and with values of their own, through one dump for setfattr. */
function fillAttributes(at: string): void {
  const dump: string[] = [];
  for (const [name, count, size] of [
    ['a-short', 2, 10],
    ['a-leaf', 20, 60],
    ['a-node', 400, 150],
    ['a-remote', 3, 30000],
  ] as const) {
    writeFileSync(join(at, name), '');
    dump.push(`# file: ${join(at, name)}`);
    for (let i = 0; i < count; i++)
      dump.push(`user.${'k'.repeat(i % 30)}${i}=0x${Buffer.alloc(size + (i % 9), i).toString('hex')}`);
    dump.push('');
  }
  const outcome = run('setfattr', ['--restore=-'], { input: dump.join('\n') });
  if (outcome.status !== 0) throw new Error(`setfattr: ${outcome.stderr}`);
}

/** Compares one directory and what is below it. Paths of the host are bytes, for names that are not UTF-8. */
function compare(fs: Filesystem, ours: Inode, at: Buffer, wrong: string[]): number {
  const say = (what: string, got: unknown, want: unknown) => {
    const [a, b] = [got, want].map((value) => String(JSON.stringify(value)));
    if (a !== b) wrong.push(`${at.toString('latin1')}: ${what}: ${a?.slice(0, 200)}, Linux ${b?.slice(0, 200)}`);
  };
  const want = lstatSync(at, { bigint: true });
  const got = ours.stat();
  say('stat', statOf(ours), linuxStat(want));
  if (got.kind === 'symlink') say('target', ours.readlink(), decodeName(readlinkSync(at, { encoding: 'buffer' })));
  if (got.kind === 'file') {
    say('content', contentOf(ours), contentOfHost(at, Number(want.size)));
    // A process for each of thousands of empty files would say nothing more; host programs take no broken UTF-8.
    const named = Buffer.from(at.toString()).equals(at);
    if (named && got.size > 0) say('extents', extentsOf(ours), extentsOfHost(at));
    // Linux may give every new file an attribute fork: of the empty ones each hundredth is asked.
    const asked = got.size > 0 || got.naextents > 0 || got.ino % 100 === 0 || ours.listXattrs().length > 0;
    if (named && asked && (got.xflags & HAS_ATTRIBUTES) !== 0)
      say('attributes', attributesOf(ours), attributesOfHost(at));
  }
  if (got.kind !== 'dir') return 1;
  say(
    'entries',
    [...ours.entries()].map((e) => [e.ino, e.offset, e.kind, e.name]),
    entriesOfHost(at),
  );
  let count = 1;
  for (const name of readdirSync(at, { encoding: 'buffer' })) {
    const ino = ours.lookup(decodeName(name));
    if (ino === null) wrong.push(`${at}: lookup of ${name} finds nothing`);
    else count += compare(fs, fs.iget(ino), Buffer.concat([at, Buffer.from('/'), name]), wrong);
  }
  say('lookup of nothing', ours.lookup('no such name'), null);
  return count;
}

function statOf(inode: Inode): unknown {
  const s = inode.stat();
  const time = (t: { seconds: number; nanoseconds: number }) =>
    String(BigInt(t.seconds) * 1_000_000_000n + BigInt(t.nanoseconds));
  return [
    s.ino,
    s.mode,
    s.nlink,
    s.uid,
    s.gid,
    s.size,
    s.blocks,
    time(s.mtime),
    time(s.ctime),
    s.btime === null ? null : time(s.btime),
  ];
}

function linuxStat(s: BigIntStats): unknown {
  const numbers = [s.ino, s.mode & 0o7777n, s.nlink, s.uid, s.gid, s.size, s.blocks].map(Number);
  return [...numbers, String(s.mtimeNs), String(s.ctimeNs), String(s.birthtimeNs)];
}

function contentOf(inode: Inode): string | null {
  if (inode.size > 2 ** 30) return null;
  const bytes = Buffer.alloc(inode.size);
  for (let at = 0; at < bytes.length; ) {
    const count = bufferedRead(inode, at, bytes.subarray(at, at + 65536));
    if (count === 0) break;
    at += count;
  }
  return createHash('sha256').update(bytes).digest('hex');
}

function contentOfHost(path: Buffer, size: number): string | null {
  return size > 2 ** 30 ? null : createHash('sha256').update(readFileSync(path)).digest('hex');
}

/** Extents as [offset, place, length, unwritten] in 512-byte blocks; neighbours that continue each other as one. */
function extentsOf(inode: Inode): number[][] {
  const all: number[][] = [];
  fiemap(inode, 0, 2 ** 63, (offset, place, length, flags) => {
    all.push([offset / 512, place / 512, length / 512, flags & 0x800 ? 1 : 0]);
    return true;
  });
  return all;
}

function extentsOfHost(path: Buffer): number[][] {
  const text = must('xfs_io', '-r', '-c', 'fiemap -v', path.toString());
  const rows: number[][] = [];
  for (const match of text.matchAll(/\[(\d+)\.\.(\d+)\]: +(\d+)\.\.\d+ +(\d+) +0x([0-9a-f]+)/g)) {
    const [start, , place, length] = match.slice(1).map(Number) as [number, number, number, number];
    rows.push([start, place, length, Number.parseInt(match[5] as string, 16) & 0x800 ? 1 : 0]);
  }
  return rows;
}

function attributesOf(inode: Inode): unknown {
  const all = inode.listXattrs().map(({ namespace, name }) => {
    const value = inode.getXattr(namespace, name) as Uint8Array;
    return `${namespace}.${name}=0x${Buffer.from(value).toString('hex')}`;
  });
  return all.sort();
}

function attributesOfHost(path: Buffer): unknown {
  const text = must('getfattr', '--absolute-names', '-d', '-m', '-', '-e', 'hex', path.toString());
  return text
    .split('\n')
    .filter((line) => line.includes('='))
    .sort();
}

const KINDS: Readonly<Record<string, string>> = {
  DT_REG: 'file',
  DT_DIR: 'dir',
  DT_LNK: 'symlink',
  DT_FIFO: 'fifo',
  DT_CHR: 'char',
  DT_BLK: 'block',
  DT_SOCK: 'socket',
};

function entriesOfHost(path: Buffer): unknown {
  const text = must('xfs_io', '-r', '-c', 'readdir -v', path.toString());
  const pattern = /d_ino: (0x[0-9a-f]+) d_off: (0x[0-9a-f]+) d_reclen: \S+ d_type: (\w+) d_name: (.*)/g;
  return [...text.matchAll(pattern)].map(([, ino, off, type, name]) => [
    Number(ino),
    Number(off),
    KINDS[type as string] ?? null,
    decodeName(Buffer.from(name as string, 'latin1')),
  ]);
}

for (const [name, args, bytes] of LAYOUTS) {
  test(name, () => {
    const image = makeXfs(join(dir, 'layout.img'), {
      args: args.split(' '),
      ...(bytes === undefined ? {} : { bytes }),
    });
    withMount(image, (at) => {
      fillDirectories(at);
      fillFiles(at);
      fillAttributes(at);
    });
    const fs = mountDevice(openDevice(image), { readOnly: true });
    const wrong: string[] = [];
    const count = withMount(image, (at) => compare(fs, fs.root(), Buffer.from(at), wrong), 'ro,norecovery,noatime');
    assert.is(wrong.length, 0, `${wrong.length} differences:\n${wrong.slice(0, 20).join('\n')}`);
    assert.ok(count > 1600, `only ${count} paths compared`);
  });
}

test.run();
