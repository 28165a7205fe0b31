// time limit: 400 s
/**
 * Extents with many users. What Linux made (reflinks, snapshots, deletions) is asked: fiemap's SHARED, and who uses an
 * extent, as Linux answers both. What is made here, one extent cloned thousands of times inside a file and into
 * hundreds of files, so that its references no longer fit into its item, is judged by btrfs check and read by Linux.
 */
import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { openDevice } from '../../core/device/open.ts';
import { FiemapExtent, fiemap } from '../../core/iomap/fiemap.ts';
import { bufferedWrite } from '../../core/iomap/write.ts';
import type { Inode } from '../../core/vfs/inode.ts';
import type { BtrfsInode } from '../../formats/btrfs/inode.ts';
import { createSnapshot } from '../../formats/btrfs/subvol/create.ts';
import { deleteNamed } from '../../formats/btrfs/subvol/delete.ts';
import { ENABLE_SIMPLE_QUOTAS } from '../harness/btrfs-convert.ts';
import {
  type BtrfsVariant,
  checkComplaints,
  makeBtrfs,
  missingBtrfsJudges,
  withBtrfs,
} from '../harness/btrfs-judge.ts';
import { openTrees } from '../harness/btrfs-trees.ts';
import { must, run } from '../harness/kernel.ts';
import { announceSeed, Random } from '../harness/random.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';

const test = gatedSuite('btrfs extents with many users', missingBtrfsJudges());
const seed = announceSeed('btrfs-sharing');
const BLOCK = 4096;

interface Kind extends BtrfsVariant {
  /** The installed btrfs check refuses it: Linux judges, and the sums of extents. */
  readonly unchecked?: boolean;
}

const VARIANTS: readonly Kind[] = [
  { name: 'default', args: [] },
  { name: '4k nodes, fat extent items', args: ['-n', '4096', '-O', '^skinny-metadata'] },
  { name: '4k nodes, full quotas', args: ['-n', '4096', '-R', 'quota'], setup: [['btrfs', 'quota', 'enable', '{}']] },
  { name: 'simple quotas', args: [], setup: [ENABLE_SIMPLE_QUOTAS], unchecked: true },
];

function complaints(paths: readonly string[], kind: Kind): string[] {
  if (kind.unchecked !== true) return checkComplaints(paths, true);
  const device = openDevice(paths[0] as string, { readOnly: true });
  const faults = openTrees([device], true).simpleQuotaFaults();
  device.close();
  return faults;
}

/** Files, clones, snapshots and deletions by Linux. */
function linuxShares(paths: readonly string[], random: Random): string[] {
  return withBtrfs(paths, (mount) => {
    const tops = ['.'];
    const files: string[] = [];
    must('btrfs', 'subvolume', 'create', join(mount, 'sub'));
    tops.push('sub');
    mkdirSync(join(mount, 'dir'));
    for (let i = 0; i < 120; i++) {
      const file = join(random.pick(tops), `f${i}`);
      const path = join(mount, file);
      const commands: string[] = [];
      for (let j = random.between(1, 6); j > 0; j--) {
        const pos = random.below(40) * BLOCK;
        const source = files.length > 0 && random.oneIn(2) ? join(mount, random.pick(files)) : null;
        if (source === null) commands.push(`pwrite -q ${pos} ${random.between(1, 20) * BLOCK}`);
        else commands.push(`reflink ${source} ${random.below(10) * BLOCK} ${pos} ${random.between(1, 8) * BLOCK}`);
      }
      run('xfs_io', ['-f', ...commands.flatMap((command) => ['-c', command]), path]);
      files.push(file);
      if (random.oneIn(12)) {
        const name = `snap${i}`;
        must('btrfs', 'subvolume', 'snapshot', join(mount, random.pick(tops)), join(mount, name));
        tops.push(name);
      }
      if (random.oneIn(20) && tops.length > 3) {
        const [gone] = tops.splice(2 + random.below(tops.length - 2), 1) as [string];
        must('btrfs', 'subvolume', 'delete', '-c', join(mount, gone));
        for (let at = files.length - 1; at >= 0; at--) if (files[at]?.startsWith(`${gone}/`)) files.splice(at, 1);
      }
    }
    must('btrfs', 'subvolume', 'sync', mount);
    return tops;
  });
}

function filesIn(dir: Inode): string[] {
  return [...dir.entries()].map(({ name }) => name).filter((name) => dir.child(name)?.kind === 'file');
}

type Line = readonly [start: number, length: number, shared: boolean];

function kernelFiemap(path: string): Line[] {
  const lines: Line[] = [];
  for (const line of must('xfs_io', '-r', '-c', 'fiemap -v', path).split('\n')) {
    const match = /^\s*\d+: \[(\d+)\.\.(\d+)\]:\s+\d+\.\.\d+\s+\d+\s+0x([0-9a-f]+)/.exec(line);
    if (match === null) continue;
    const [, from, to, flags] = match;
    lines.push([Number(from) * 512, (Number(to) - Number(from) + 1) * 512, (parseInt(flags ?? '', 16) & 0x2000) !== 0]);
  }
  return lines;
}

function ourFiemap(inode: Inode): Line[] {
  const lines: Line[] = [];
  fiemap(inode, 0, Number.MAX_SAFE_INTEGER, (logical, _physical, length, flags) => {
    lines.push([logical, length, (flags & FiemapExtent.SHARED) !== 0]);
    return true;
  });
  return lines;
}

test('fiemap and logical-resolve answer as Linux', () => {
  const random = new Random(seed);
  const paths = makeBtrfs(scratch(true), VARIANTS[1] as BtrfsVariant);
  const tops = linuxShares(paths, random);
  const device = openDevice(paths[0] as string, { readOnly: true });
  const { fs, mp } = openTrees([device], true);
  let sharedLines = 0;
  withBtrfs(
    paths,
    (mount) => {
      for (const top of tops) {
        const dir = (top === '.' ? fs.root() : fs.root().child(top)) as Inode;
        for (const name of readdirSync(join(mount, top))) {
          const path = join(mount, top, name);
          if (!statSync(path).isFile()) continue;
          const ours = ourFiemap(dir.child(name) as Inode);
          assert.equal(ours, kernelFiemap(path), `seed ${seed}: ${top}/${name}`);
          sharedLines += ours.filter(([, , shared]) => shared).length;
        }
      }
      for (const file of readdirSync(mount)
        .filter((name) => name.startsWith('f'))
        .slice(0, 10)) {
        for (const bytenr of extentsOf(mp, file)) {
          const theirs = must('btrfs', 'inspect-internal', 'logical-resolve', '-o', String(bytenr), mount).trim();
          const names = theirs === '' ? [] : theirs.split('\n');
          assert.is(mp.refs.filesOf(bytenr).length, names.length, `seed ${seed}: ${file}, ${bytenr}\n${theirs}`);
        }
      }
    },
    'ro',
  );
  device.close();
  assert.ok(sharedLines > 20, 'something is shared');

  function extentsOf(mount: typeof mp, name: string): number[] {
    const found = new Set<number>();
    const inode = fs.root().child(name) as Inode;
    fiemap(inode, 0, Number.MAX_SAFE_INTEGER, (_logical, physical) => {
      found.add(physical);
      return true;
    });
    // Only places where an extent begins are extents' names.
    return [...found].filter((bytenr) => {
      try {
        return mount.refs.filesOf(bytenr).length > 0;
      } catch {
        return false;
      }
    });
  }
});

for (const variant of VARIANTS) {
  test(`${variant.name}: going on where Linux stopped, also after a balance`, () => {
    const random = new Random(seed + 1);
    const paths = makeBtrfs(scratch(true), variant);
    let tops = linuxShares(paths, random);
    for (let round = 0; round < 4; round++) {
      // Relocated blocks count their pointers to themselves.
      if (round === 2) withBtrfs(paths, (mount) => must('btrfs', 'balance', 'start', '--full-balance', mount));
      const device = openDevice(paths[0] as string);
      const { fs } = openTrees([device]);
      const top = fs.root();
      const dirOf = (name: string): Inode => (name === '.' ? top : (top.child(name) as Inode));
      for (let step = 0; step < 60; step++) {
        const name = random.pick(tops);
        const dir = dirOf(name);
        const files = filesIn(dir);
        const choice = random.below(12);
        if (choice === 0) {
          const made = `ours${round}.${step}`;
          createSnapshot(top as BtrfsInode, made, (dir as BtrfsInode).root, false);
          tops.push(made);
        } else if (choice === 1 && name !== '.' && tops.length > 3) {
          deleteNamed(top as BtrfsInode, name, dir as BtrfsInode);
          tops = tops.filter((other) => other !== name);
        } else if (choice < 4 && files.length > 0) dir.unlink(random.pick(files));
        else if (choice < 7 && files.length > 0) {
          const other = filesIn(dirOf(random.pick(tops)));
          const file = dir.child(random.pick(files)) as Inode;
          if (random.oneIn(2) || other.length === 0) file.fallocate('punch', random.below(30) * BLOCK, BLOCK * 3, true);
          else file.truncate(random.below(50) * 1000);
        } else if (choice < 9 && files.length > 0) {
          const source = dir.child(random.pick(files)) as Inode;
          if (source.size >= BLOCK) dir.create(`c${round}.${step}`, 0o644).reflink(source, 0, 0, BLOCK);
        } else bufferedWrite(dir.create(`w${round}.${step}`, 0o644), 0, Buffer.alloc(random.below(90000), 'w'));
        if (random.oneIn(10)) fs.sync();
      }
      fs.unmount();
      device.close();
      assert.equal(complaints(paths, variant), [], `seed ${seed}, round ${round}`);
    }
    withBtrfs(paths, (mount) => {
      assert.equal(
        readdirSync(mount)
          .filter((name) => tops.includes(name))
          .sort(),
        tops.slice(1).sort(),
      );
      must('btrfs', 'scrub', 'start', '-B', mount);
    });
    assert.equal(complaints(paths, variant), [], `seed ${seed}, after Linux`);
  });

  test(`${variant.name}: more references than fit into an extent item`, () => {
    const random = new Random(seed);
    const paths = makeBtrfs(scratch(true), variant);
    const device = openDevice(paths[0] as string);
    const { fs, mp } = openTrees([device]);
    const root = fs.root();
    const source = root.create('source', 0o644);
    bufferedWrite(source, 0, Buffer.alloc(4 * BLOCK, 'abcdefgh'));
    fs.sync();
    const inside = root.create('inside', 0o644);
    for (let i = 0; i < 1500; i++) {
      inside.reflink(source, random.below(4) * BLOCK, random.below(4000) * BLOCK, BLOCK);
      if (random.oneIn(300)) mp.trans.commit();
    }
    const names = Array.from({ length: 300 }, (_, i) => `clone${i}`);
    for (const name of names) root.create(name, 0o644).reflink(source, 0, 0, 4 * BLOCK);
    fs.sync();
    assert.equal(complaints(paths, variant), [], `seed ${seed}, made`);
    for (const name of names) if (random.oneIn(2)) root.unlink(name);
    for (let i = 0; i < 400; i++)
      inside.fallocate('punch', random.below(4000) * BLOCK, random.between(1, 6) * BLOCK, true);
    fs.sync();
    assert.equal(complaints(paths, variant), [], `seed ${seed}, half gone`);
    inside.truncate(0);
    for (const name of names) if (root.lookup(name) !== null) root.unlink(name);
    root.unlink('source');
    fs.unmount();
    device.close();
    assert.equal(complaints(paths, variant), [], `seed ${seed}, all gone`);
    withBtrfs(paths, (mount) => {
      assert.equal(readdirSync(mount), ['inside']);
      assert.is(readFileSync(join(mount, 'inside')).length, 0);
    });
  });
}

test.run();
