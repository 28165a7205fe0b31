// time limit: 400 s
/**
 * Images of every layout that mkfs makes, filled by Linux and read by us: names in directory order with their
 * positions, stat, content, extents, link targets, attributes. The judge is Linux on a mounted copy.
 */
import { linkSync, mkdirSync, symlinkSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { openDevice } from '../../core/device/open.ts';
import { makeXfs, missingJudges, must, run, withMount, xfsIo } from '../harness/kernel.ts';
import { mountDevice } from '../harness/mount-device.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';
import { compareTree, UNWRITTEN } from '../harness/tree-compare.ts';

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
    const options = { extentFlags: UNWRITTEN };
    const mount = 'ro,norecovery,noatime';
    const count = withMount(image, (at) => compareTree(fs.root(), Buffer.from(at), wrong, options), mount);
    assert.is(wrong.length, 0, `${wrong.length} differences:\n${wrong.slice(0, 20).join('\n')}`);
    assert.ok(count > 1600, `only ${count} paths compared`);
  });
}

test.run();
