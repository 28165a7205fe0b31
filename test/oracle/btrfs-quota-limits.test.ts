// time limit: 120 s
/**
 * Limits of quota groups: the same scripts in the kernel and by fsio on a copy are refused at the same byte, and leave
 * the same files and the same numbers of all groups.
 */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { checkComplaints, makeBtrfs, missingBtrfsJudges, withBtrfs } from '../harness/btrfs-judge.ts';
import { comparable, firstDifference } from '../harness/compare-output.ts';
import { fsio, missingFsio } from '../harness/fsio.ts';
import { copyImage, must, xfsIo } from '../harness/kernel.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';

const test = gatedSuite('quota limits', missingBtrfsJudges() ?? missingFsio());

interface Case {
  readonly name: string;
  /** In the fresh file system, whose subvolumes s and u have groups 0/256 and 0/257. */
  readonly setup: string;
  /** `@` stands for the top. */
  readonly script: readonly string[];
}

const CASES: readonly Case[] = [
  {
    name: 'bytes referenced',
    setup: 'btrfs qgroup limit 10m s',
    script: ['open -f @s/a', 'pwrite 0 20m', 'fsync', 'pwrite 0 4k', 'open -f @s/b', 'pwrite 0 4k'],
  },
  {
    name: 'bytes exclusive, of what a snapshot shares',
    setup: 'btrfs qgroup limit -e 5m s; head -c 3m /dev/urandom > s/old; btrfs subvolume snapshot s t',
    script: ['open -f @s/a', 'pwrite 0 20m', 'fsync', 'open @s/old', 'pwrite 0 3m', 'fsync'],
  },
  {
    name: 'a group of two subvolumes',
    setup:
      'btrfs qgroup create 1/0 .; for i in 256 257; do btrfs qgroup assign 0/$i 1/0 .; done; btrfs qgroup limit 8m 1/0 .',
    script: ['open -f @s/a', 'pwrite 0 5m', 'open -f @u/b', 'pwrite 0 5m', 'fsync', 'truncate 0', 'pwrite 0 1m'],
  },
  {
    name: 'allocated ahead, and small files',
    setup: 'btrfs qgroup limit 10m s; btrfs qgroup limit 200k u',
    script: [
      ...['open -f @s/a', 'falloc 0 6m', 'falloc 6m 6m', 'pwrite 0 6m', 'fsync', 'pwrite 6m 6m', 'open -f @u/b'],
      ...['pwrite 0 4k', 'open -f @u/c', 'pwrite 0 100k', 'fsync', 'open -f @u/d', 'pwrite 0 100k'],
    ],
  },
];

/** Sizes of all files, and what the groups have. */
function look(mount: string): string[] {
  const files = ['s', 'u'].flatMap((dir) =>
    readdirSync(join(mount, dir)).map((name) => `${dir}/${name} ${statSync(join(mount, dir, name)).size}`),
  );
  return [...files, ...must('btrfs', 'qgroup', 'show', '--raw', mount).split('\n')];
}

for (const { name, setup, script } of CASES) {
  test(name, () => {
    const dir = scratch(true);
    const [theirs] = makeBtrfs(dir, { name, args: [], bytes: 300 * 2 ** 20 }) as [string];
    withBtrfs([theirs], (at) => {
      const begin = 'btrfs quota enable .; btrfs subvolume create s; btrfs subvolume create u';
      must('sh', '-c', `cd ${at}; exec >/dev/null; ${begin}; ${setup}; btrfs quota rescan -w .; sync -f .`);
    });
    const ours = copyImage(theirs, join(dir, 'ours.img'));
    const lines = `${script.join('\n')}\n`;
    const wanted = withBtrfs([theirs], (at) => {
      const { stdout, stderr } = xfsIo(lines.replaceAll('@', `${at}/`));
      return [comparable(stdout, at), comparable(stderr, at)] as const;
    });
    const { stdout, stderr } = fsio([ours], lines.replaceAll('@', '/'));
    assert.is(firstDifference(comparable(stdout), wanted[0]), null);
    assert.is(firstDifference(comparable(stderr), wanted[1]), null);
    assert.match(stderr, /Disk quota exceeded/);
    assert.is(firstDifference(withBtrfs([ours], look, 'ro'), withBtrfs([theirs], look, 'ro')), null);
    assert.equal(checkComplaints([ours], true), []);
  });
}

test.run();
