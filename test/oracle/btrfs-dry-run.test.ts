// time limit: 240 s
/**
 * --dry-run on btrfs: what it lists is what a comparison of the image before and after the real run lists; every item
 * that came is in btrfs's own dump-tree after, and not before; and the image is not touched.
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import type { StructureChange } from '../../core/vfs/changes.ts';
import { missingFsio } from '../harness/fsio.ts';
import { fsioInside } from '../harness/fsio-inside.ts';
import { unpackImage } from '../harness/images.ts';
import { copyImage, must, run } from '../harness/kernel.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';

const missing = missingFsio() ?? (run('sh', ['-c', 'command -v btrfs']).status === 0 ? null : 'needs btrfs-progs');
const test = gatedSuite('btrfs dry run', missing);

const CASES: readonly (readonly [what: string, path: string, ...commands: string[]])[] = [
  ['pwrite', '/tiny', 'pwrite -q -S 0x61 100 10000'],
  ['create', '/new', 'pwrite -q -S 0x61 0 300k', 'fsync', 'pwrite -q 1m 5'],
  ['pwrite over a clone', '/clone', 'pwrite -q -S 0x61 4097 100'],
  ['truncate', '/mib', 'truncate 5000'],
  ['reflink', '/new', 'reflink /mib'],
  ['fpunch', '/mib', 'fpunch 64k 64k'],
  ['names', '/tiny', 'mkdir /d', 'ln /tiny /d/hard', 'mv /mib /d/moved', 'symlink target /d/soft', 'rm /clone'],
];

// How often a file changed depends on how often the clock ticked.
const FLEETING = /time(\b|\.|$)|uuid|^sequence$/;

function list(stdout: string, command: string): StructureChange[] {
  return stdout
    .split('\n')
    .filter((line) => line.startsWith(`{"command":"${command}"`) && line.includes('"change":'))
    .map((line) => {
      const { command: _, image: __, file: ___, ...change } = JSON.parse(Buffer.from(line, 'latin1').toString('utf8'));
      return change;
    });
}

/** Without the times, which no two runs share. */
function comparable(changes: readonly StructureChange[]): string[] {
  return changes.map((change) => {
    const blank = FLEETING.test(change.field ?? '') ? { ...change, from: '', to: '' } : change;
    return JSON.stringify(blank)
      .replace(/\d+\.\d+ \([^)]*\)/g, 'TIME')
      .replace(/sequence \d+/g, 'sequence');
  });
}

/** The keys of all items, tree by tree, as dump-tree prints them. */
function keysOf(image: string): Set<string> {
  const found = new Set<string>();
  for (const [, key] of must('btrfs', 'inspect-internal', 'dump-tree', image).matchAll(
    /^\titem \d+ key (\(.*?\)) itemoff/gm,
  ))
    found.add(key as string);
  return found;
}

for (const [what, path, ...commands] of CASES) {
  test(what, () => {
    const image = unpackImage('btrfs-default', join(scratch(true), 'a.img'));
    const { mtimeNs, ctimeNs } = statSync(image, { bigint: true });
    const words = ['-f', ...commands.flatMap((command) => ['-C', command])];
    const dry = fsioInside(['--dry-run', '--json', ...words, `${image}:${path}`]);
    assert.is(dry.status, 0, dry.stdout + dry.stderr);
    const now = statSync(image, { bigint: true });
    assert.ok(now.mtimeNs === mtimeNs && now.ctimeNs === ctimeNs, 'the image is not touched');
    const copy = copyImage(image, `${image}.real`);
    const real = fsioInside(['--json', ...words, `${copy}:${path}`]);
    assert.is(real.status, 0, real.stdout + real.stderr);
    const told = list(dry.stdout, 'dry-run');
    assert.equal(
      comparable(told),
      comparable(list(fsioInside(['-r', '--json', '-c', `diff ${copy}`, image]).stdout, 'diff')),
    );
    const before = keysOf(image);
    const after = keysOf(copy);
    let judged = 0;
    for (const { structure, change, field } of told) {
      const key = /\(.*\)$/.exec(structure)?.[0];
      if (key === undefined || field !== undefined) continue;
      judged++;
      if (change === 'add') assert.ok(after.has(key), structure);
      // The same key may be in another tree.
      else if (change === 'remove') assert.ok(before.has(key), structure);
    }
    assert.ok(judged > 5, `${judged} items judged`);
    must('btrfs', 'check', '--readonly', copy);
  });
}

/** What a dry run tells. */
function told(...words: string[]): StructureChange[] {
  const { status, stdout, stderr } = fsioInside(['--dry-run', '--json', ...words]);
  assert.is(status, 0, stdout + stderr);
  return list(stdout, 'dry-run');
}

test('data overwritten in place', () => {
  const image = unpackImage('btrfs-default', join(scratch(true), 'a.img'));
  const made = fsioInside(['-f', '-c', 'chattr +C', '-c', 'pwrite -q -S 1 0 100k', '-c', 'fsync', `${image}:/nocow`]);
  assert.is(made.status, 0, made.stderr);
  const words = ['-c', 'pwrite -q -S 2 5000 10', '-c', 'pwrite -q -S 2 40000 9000', '-c', 'pwrite -q -S 1 0 4k'];
  const changes = told(...words, `${image}:/nocow`).filter(({ change }) => change === 'data');
  assert.equal(
    changes.map(({ structure, start, length }) => [structure.replace(/\d+/, 'N'), start, length]),
    [
      ['fs tree inode N', 5000, 10],
      ['fs tree inode N', 40000, 9000],
    ],
  );
});

test('a log is replayed before what is told', () => {
  const image = unpackImage('btrfs-log-tree', join(scratch(true), 'log.img'));
  const changes = told('-c', 'mkdir /made', image);
  const added = changes.filter(({ change, structure }) => change === 'add' && /^(fs tree|subvolume)/.test(structure));
  const types = added.map(({ structure }) => structure.split(' ').at(-2)).sort();
  assert.equal(types, ['DIR_INDEX', 'DIR_ITEM', 'INODE_ITEM', 'INODE_REF']);
  assert.not.ok(changes.some(({ field }) => field === 'log_root'));
});

test('two images that have gone their own ways since they were copied', () => {
  const image = unpackImage('btrfs-default', join(scratch(true), 'a.img'));
  const other = copyImage(image, `${image}.other`);
  for (const [at, name] of [
    [image, 'one'],
    [other, 'two'],
  ])
    assert.is(fsioInside(['-c', `mkdir /${name}`, at as string]).status, 0);
  const changes = list(fsioInside(['-r', '--json', '-c', `diff ${other}`, image]).stdout, 'diff');
  assert.ok(
    changes.some(({ record, change }) => change === 'add' && /two/.test(record ?? '')),
    'two is told',
  );
  assert.ok(
    changes.some(({ record, change }) => change === 'remove' && /one/.test(record ?? '')),
    'one is told',
  );
});

test.run();
