// time limit: 400 s
/**
 * --dry-run: what it lists is what a comparison of the image before and after the real run lists, for every command
 * that writes; what it says of a field is what xfs_db prints there before and after; and the image is not touched.
 */
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import type { StructureChange } from '../../core/vfs/changes.ts';
import { fsio, missingFsio } from '../harness/fsio.ts';
import { fsioInside } from '../harness/fsio-inside.ts';
import { type ImageName, imageDigest, unpackImage } from '../harness/images.ts';
import { copyImage, missingJudges, repairComplaints, run } from '../harness/kernel.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';

const test = gatedSuite('dry run', missingJudges() ?? missingFsio());

const host = join(scratch(), 'host-file');

/** A name, the file that is open (with -f), and the commands. */
type Case = readonly [what: string, path: string, ...commands: string[]];
const CASES: readonly Case[] = [
  ['pwrite', '/tiny', 'pwrite -q -S 0x61 100 10000'],
  ['pwrite over shared blocks', '/clone', 'pwrite -q -S 0x61 4097 100'],
  ['pwrite over a fragmented clone', '/frag-clone', 'pwrite -q -S 0x61 0 2m'],
  ['pwrite -d', '/mib', 'open -d /mib', 'pwrite -q -S 0x61 8192 4096'],
  ['create', '/new', 'pwrite -q -S 0x61 0 300k', 'fsync', 'pwrite -q 1m 5'],
  ['truncate', '/mib', 'truncate 5000'],
  ['truncate of many extents', '/frag', 'truncate 0'],
  ['truncate up', '/tiny', 'truncate 1g'],
  ['falloc', '/small', 'falloc -k 100k 200k'],
  ['fpunch', '/frag', 'fpunch 1000 1000000'],
  ['fzero', '/mib', 'fzero 5000 100000'],
  ['fcollapse', '/mib', 'fcollapse 64k 64k'],
  ['finsert', '/mib', 'finsert 128k 64k'],
  ['funshare', '/clone', 'funshare 0 1m'],
  ['reflink', '/new', 'reflink /frag'],
  [
    'dedupe',
    '/dup',
    'pwrite -q -S 0x61 0 128k',
    'fsync',
    'open -f /dup2',
    'pwrite -q -S 0x61 0 128k',
    'dedupe /dup 0 0 128k',
  ],
  ['copy_range', '/new', 'copy_range /mib'],
  ['mkdir, many', '/tiny', ...Array.from({ length: 60 }, (_, i) => `mkdir /dir/block/d${i}`)],
  [
    'names',
    '/tiny',
    'ln /tiny /dir/hard',
    'mv /small /dir/moved',
    'symlink target /dir/soft',
    'rm /mib',
    'mkfifo /dir/f',
    `symlink ${'x'.repeat(900)} /dir/long`,
  ],
  ['rmdir', '/tiny', 'mkdir /e', 'rmdir /e'],
  [
    'rm of a directory entry in a large one',
    '/tiny',
    'rm /dir/leaf/leaf-entry-with-a-longish-name-00002',
    'touch /dir/node/new-one',
  ],
  ['chmod, chown, touch', '/tiny', 'chmod 0751 /tiny', 'chown 12:34 /tiny', 'touch /tiny'],
  ['chattr, extsize, cowextsize, chproj', '/new', 'extsize 64k', 'cowextsize 128k', 'chproj 77', 'chattr +d'],
  ['attr', '/tiny', `attr set user.a ${'v'.repeat(200)}`, `attr set user.big ${'w'.repeat(3000)}`, 'attr set user.c d'],
  ['label', '/tiny', 'label -s other'],
  ['mwrite', '/mib', 'mmap 0 1m', 'mwrite -S 0x61 100 9000', 'munmap'],
  ['put', '/new', `put ${host} /put`],
  ['nothing', '/tiny', 'pread -q 0 10', 'stat -r'],
];

const FLEETING = /(time\.(sec|nsec)|core\.gen|lsn)$/;

function list(stdout: string, command: string): StructureChange[] {
  return stdout
    .split('\n')
    .filter((line) => line.startsWith(`{"command":"${command}"`) && line.includes('"change":'))
    .map((line) => {
      const { command: _, image: __, file: ___, ...change } = JSON.parse(Buffer.from(line, 'latin1').toString('utf8'));
      return change;
    });
}

/** As the lists are compared: without what no two runs share, and with values that hold a time blanked. */
function comparable(changes: readonly StructureChange[]): string[] {
  return changes
    .map((change) => (FLEETING.test(change.field ?? '') ? { ...change, from: '', to: '' } : change))
    .map((change) => JSON.stringify(change))
    .sort();
}

const times = (path: string) => {
  const { mtimeNs, ctimeNs } = statSync(path, { bigint: true });
  return `${mtimeNs} ${ctimeNs}`;
};

/** xfs_db's word for every field that is told of headers and inodes. */
function judgeFields(image: string, changes: readonly StructureChange[], side: 'from' | 'to'): number {
  const told = changes.filter(
    (change) => change.change === 'field' && /^(sb|agf|agi|inode) \d+$/.test(change.structure) && change[side] !== null,
  );
  if (told.length === 0) return 0;
  const words = told.flatMap(({ structure, field }) => ['-c', structure, '-c', `p ${field}`]);
  const { stdout } = run('xfs_db', ['-r', ...words, image], { env: { TZ: process.env.TZ ?? '' } });
  const lines = stdout.trimEnd().split('\n');
  assert.is(lines.length, told.length, stdout.slice(0, 2000));
  for (const [i, change] of told.entries()) assert.is(lines[i], `${change.field} = ${change[side]}`, change.structure);
  return told.length;
}

let judged = 0;

function compare(image: string, [what, path, ...commands]: Case, clean = true): void {
  const words = ['-f', ...commands.flatMap((command) => ['-C', command])];
  const before = times(image);
  const dry = fsioInside(['--dry-run', '--json', ...words, `${image}:${path}`]);
  assert.is(dry.status, 0, dry.stdout + dry.stderr);
  assert.is(times(image), before, 'the image is not touched');
  const copy = copyImage(image, `${image}.real`);
  const real = fsioInside(['--json', ...words, `${copy}:${path}`]);
  assert.is(real.status, 0, real.stdout + real.stderr);
  assert.not.match(real.stdout, '"error"');
  const told = list(dry.stdout, 'dry-run');
  const compared = list(fsioInside(['-r', '--json', '-c', `diff ${copy}`, image]).stdout, 'diff');
  // A run that wrote the log may have written it elsewhere: how far is no structure.
  const structures = (changes: readonly StructureChange[]) => changes.filter(({ structure }) => structure !== 'log');
  assert.equal(comparable(structures(told)), comparable(structures(compared)), what);
  assert.is(told.length === 0, what === 'nothing');
  // xfs_db does not replay a log.
  if (clean) judged += judgeFields(image, told, 'from');
  judged += judgeFields(copy, compared, 'to');
}

const IMAGES: readonly (readonly [ImageName, RegExp | null])[] = [
  ['xfs-default', null],
  ['xfs-rmap-1k', /^(pwrite|create|truncate of|fcollapse|names|mkdir|attr|reflink|funshare)/],
  ['xfs-7.2', /^(pwrite|create|truncate|fpunch|names|mkdir|attr|chmod)/],
  ['xfs-64k', /^(pwrite|create|names|attr|reflink|truncate)$/],
];

for (const [name, only] of IMAGES) {
  test(`${name}: a dry run lists what the real run changes`, () => {
    writeFileSync(host, 'some bytes of the host\n'.repeat(1000));
    const image = unpackImage(name, join(scratch(true), 'a.img'));
    const before = imageDigest(image);
    const files = fsio(['-r', '-c', 'ls -p /', image]).stdout;
    for (const one of CASES) {
      if (only !== null && !only.test(one[0])) continue;
      if (/\/(clone|frag-clone)/.test(one.join(' ')) && !/ clone$/m.test(files)) continue;
      compare(image, one);
    }
    // The installed xfs_repair does not know all features of the newest image.
    if (name !== 'xfs-7.2') assert.equal(repairComplaints(`${image}.real`), []);
    assert.is(imageDigest(image), before);
    assert.ok(judged > 50, `${judged} fields judged by xfs_db`);
  });
}

test('an image with a dirty log is compared with its log replayed', () => {
  const image = unpackImage('xfs-dirty-log', join(scratch(true), 'a.img'));
  compare(image, ['pwrite', '/new', 'pwrite -q 0 4k'], false);
});

test('as text, one line a difference', () => {
  const image = unpackImage('xfs-default', join(scratch(true), 'a.img'));
  const { stdout } = fsio(['--dry-run', '-c', 'pwrite -q -S 0x62 4097 100', `${image}:/clone`]);
  const lines = Buffer.from(stdout, 'latin1').toString('utf8').split('\n');
  assert.is(lines[0], `${image}: would change`);
  for (const line of [
    'agf 0: freeblks 23692 → 23691',
    'refcountbt ag 0: - [1593,16] ×2',
    'refcountbt ag 0: + [1593,1] ×2',
    'inode 141: core.nextents 3 → 5',
    'inode 141 data fork: + [1,2223,1,0]',
    'inode 141: bytes 4096..8191',
  ])
    assert.ok(lines.includes(line), `${line} in\n${lines.join('\n')}`);
});

test.run();
