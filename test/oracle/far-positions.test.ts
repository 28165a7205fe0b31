/**
 * Files that reach beyond 2^52, up to the largest that Linux has: the same session through xfs_io in the kernel and
 * through fsio on an unmounted copy says the same, and what either has written both read alike.
 */
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { checkComplaints, makeBtrfs, missingBtrfsJudges, withBtrfs } from '../harness/btrfs-judge.ts';
import { comparable, firstDifference } from '../harness/compare-output.ts';
import { fsio, missingFsio } from '../harness/fsio.ts';
import { copyImage, makeXfs, missingJudges, repairComplaints, withMount, xfsIo } from '../harness/kernel.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';
import { VARIANTS, type Variant } from '../harness/variants.ts';

const test = gatedSuite('far positions', missingJudges() ?? missingBtrfsJudges() ?? missingFsio());

const LARGEST = 9223372036854775807n;
const LAST_64K = LARGEST - 65535n;
const LAST_4K = LARGEST - 4095n;

/** `{d}` is where the files are. Each file is asked about in the end. */
const CHANGES: Readonly<Record<string, readonly string[]>> = {
  empty: [`truncate ${LARGEST}`, 'stat', 'fiemap -v', 'seek -a 0'],
  byte: [
    `pwrite -S 0x61 ${LARGEST - 1n} 1`,
    'fsync',
    `pread -v ${LARGEST - 1n} 1`,
    'fiemap -v',
    'fiemap -l',
    `pread ${LARGEST - 7n} 20`,
    `pwrite ${LARGEST} 1`,
    `pwrite ${LARGEST - 7n} 20`,
    'truncate 8e',
  ],
  // Around powers of two, with data on both sides of 2^53.
  middle: [
    `pwrite -S 0x62 ${1n << 52n} 100`,
    `pwrite -S 0x63 ${(1n << 53n) - 50n} 100`,
    `pwrite -S 0x64 ${1n << 62n} 5000`,
    'pwrite -S 0x65 0 10',
    'fsync',
    'fiemap -v',
    `fiemap -v ${1n << 53n} 1m`,
    `seek -d -r ${1n << 52n}`,
    `truncate ${(1n << 62n) + 4097n}`,
    'stat',
  ],
  clone: ['reflink {d}/byte', 'fiemap -v'],
  low: [`reflink {d}/byte ${LAST_64K} 1m 65535`, 'fiemap -v', 'pread -v 1114110 1'],
  refused: [
    `reflink {d}/byte 0 ${1n << 62n} ${LARGEST}`,
    `reflink {d}/byte ${LAST_64K} 0 ${LAST_64K}`,
    `reflink {d}/middle 524288 0 ${LARGEST}`,
    `dedupe {d}/byte ${LAST_64K} 0 4096`,
    `falloc ${LAST_64K} 65536`,
    `falloc -k ${LARGEST} 1`,
    `fpunch 1 ${LARGEST}`,
  ],
  reserved: [
    `falloc ${LAST_64K} 65535`,
    'fiemap -v',
    `fpunch ${LAST_64K} 8192`,
    `pwrite -S 0x66 ${LAST_4K} 4095`,
    'fsync',
    'fiemap -v',
    'stat',
  ],
  cut: [`pwrite -S 0x67 ${LARGEST - 5000n} 5000`, `truncate ${LARGEST - 3000n}`, 'truncate 1e', 'truncate 100', 'stat'],
  copied: [`copy_range -s ${LARGEST - 1n} -d 0 -l 10 {d}/byte`, 'stat'],
  holes: ['pwrite -S 0x68 0 64k', `truncate ${LARGEST}`, `fpunch 4k ${1n << 62n}`, 'fiemap -v'],
};
/** XFS alone. */
const SHIFTS: Readonly<Record<string, readonly string[]>> = {
  shifted: [
    `truncate ${LARGEST}`,
    'pwrite -S 0x69 0 64k',
    `pwrite -S 0x69 ${1n << 62n} 64k`,
    'fsync',
    'fcollapse 64k 64k',
    'fiemap -v',
    'finsert 0 128k',
    'stat',
  ],
  beyond: ['falloc 0 128k', `falloc -k ${LAST_64K - 131072n} 65536`, 'finsert 0 128k', 'bmap -vp', 'fiemap -v'],
  'far-shifts': [
    `truncate ${LARGEST}`,
    `pwrite -S 0x69 ${1n << 62n} 64k`,
    `pwrite -S 0x6a ${(1n << 62n) + 131072n} 64k`,
    'fsync',
    `fcollapse ${1n << 62n} 64k`,
    'fiemap -v',
    `finsert ${1n << 62n} 64k`,
    `finsert ${(1n << 62n) + 65536n} 64k`,
    `truncate ${(1n << 62n) + 1048576n}`,
    `finsert ${1n << 62n} 64k`,
    `fcollapse ${(1n << 62n) + 65536n} 128k`,
    'fiemap -v',
    `finsert ${(1n << 62n) - 65536n} 64k`,
    `fcollapse ${1n << 62n} 1e`,
    `fcollapse ${(1n << 62n) - 65536n} 64k`,
    'finsert 0 4e',
    'fiemap -v',
  ],
  zeroed: [`falloc ${LAST_64K} 65535`, `fzero ${LAST_64K + 1n} 60000`, 'fiemap -v', 'bmap -v', 'bmap'],
};

/** On an empty file system, so that extents are cut alike. */
const DIRECT: Readonly<Record<string, readonly string[]>> = {
  direct: [
    `pwrite -S 0x70 ${1n << 62n} 64k`,
    'fsync',
    'open -d {d}/direct',
    `pwrite -S 0x71 ${(1n << 62n) + 65536n} 64k`,
    `pread -v ${(1n << 62n) + 131056n} 16`,
    `pwrite -S 0x72 ${LARGEST - 131071n} 64k`,
    `pwrite -S 0x73 ${LAST_64K} 65536`,
    `pwrite -S 0x74 ${LARGEST - 69631n} 4k`,
    'fiemap -v',
    'close',
  ],
  retaken: [
    `reflink {d}/direct ${1n << 62n} 0 64k`,
    `reflink {d}/direct ${1n << 62n} ${LARGEST - 131071n} 64k`,
    `reflink {d}/direct ${1n << 62n} ${LAST_64K} 64k`,
    `funshare ${LARGEST - 131071n} 64k`,
    `unresvsp ${1n << 62n} 4k`,
    `resvsp ${LARGEST - 131071n} 4k`,
    `zero ${LARGEST - 131071n} 4k`,
    `falloc -k ${LAST_64K} 32k`,
    `fzero -k ${LAST_64K} 32k`,
    'fiemap -v',
  ],
};

type Files = Readonly<Record<string, readonly string[]>>;

function changes(files: Files): string {
  return Object.entries(files)
    .map(([name, lines]) => [`open -f {d}/${name}`, ...lines, 'fsync', 'close', ''].join('\n'))
    .join('');
}

/** Where the bytes of all files are, and some of them. */
function look(files: Files, seek: boolean): string {
  const lines = [
    'stat',
    'fiemap -v',
    // Linux's answer at the end of the largest file of btrfs is below 0. What was read counts as data, so it comes later.
    ...(seek ? ['seek -a -r 0'] : []),
    ...[LARGEST - 16n, 1n << 52n, 1n << 53n, 1n << 62n, 0n].map((pos) => `pread -v -q ${pos} 16`),
  ];
  return Object.keys(files)
    .map((name) => [`open {d}/${name}`, ...lines, 'close', ''].join('\n'))
    .join('');
}

/** Where blocks lie is the allocator's choice, and with it how many pieces there are of a table of bmap. */
const noPlaces = (lines: readonly string[]): string[] =>
  lines
    .filter((line) => !line.startsWith('stat.ino') && !line.startsWith('stat.blocks'))
    .map((line) => line.replace(/(\]: +|\d{5} +)\d+\.\.\d+( +\d+ +\(\d+\.\.\d+\))?/, '$1B').replace(/ +/g, ' '));

interface Judge {
  make(dir: string): string;
  mounted<T>(image: string, use: (dir: string) => T): T;
  complaints(image: string): string[];
}

function compare(judge: Judge, files: Files, seek: boolean): void {
  const dir = scratch(true);
  const theirs = judge.make(dir);
  const ours = copyImage(theirs, join(dir, 'fsio.img'));
  const kernel = (image: string, script: string) =>
    judge.mounted(image, (mount) => {
      const { stdout, stderr } = xfsIo(script.replaceAll('{d}', mount));
      return [...noPlaces(comparable(stdout, mount)), ...comparable(stderr, mount)];
    });
  const own = (image: string, script: string) => {
    const { stdout, stderr } = fsio([image], script.replaceAll('{d}', ''));
    return [...noPlaces(comparable(stdout, '')), ...comparable(stderr, '')];
  };
  assert.is(firstDifference(own(ours, changes(files)), kernel(theirs, changes(files))), null);
  assert.equal(judge.complaints(ours), []);
  const asked = look(files, seek);
  const wanted = kernel(theirs, asked);
  assert.ok(wanted.length > 10 * Object.keys(files).length, 'the kernel answers');
  assert.is(firstDifference(own(theirs, asked), wanted), null, 'what Linux wrote, read here');
  assert.is(firstDifference(kernel(ours, asked), wanted), null, 'what was written here, read by Linux');
  assert.is(firstDifference(own(ours, asked), wanted), null, 'what was written here, read here');
}

for (const name of ['default', 'rmap-1k', '64k']) {
  test(`XFS, ${name}`, () => {
    const variant = VARIANTS.find((known) => known.name === name) as Variant;
    const judge: Judge = {
      make: (dir) => makeXfs(join(dir, 'kernel.img'), variant),
      mounted: withMount,
      complaints: repairComplaints,
    };
    compare(judge, { ...CHANGES, ...SHIFTS }, true);
    compare(judge, DIRECT, true);
  });
}

for (const args of [[], ['-O', '^no-holes']]) {
  test(`btrfs ${args.join(' ')}`, () => {
    const judge: Judge = {
      make: (dir) => makeBtrfs(dir, { name: 'far', args })[0] as string,
      mounted: (image, use) => withBtrfs([image], use),
      complaints: (image) => checkComplaints([image], true),
    };
    compare(judge, CHANGES, false);
  });
}

test('what programs and pictures say has every digit', () => {
  const image = makeXfs(join(scratch(true), 'words.img'), VARIANTS[0] as Variant);
  fsio([image], `open -f /x\npwrite -q ${LARGEST - 1n} 1\n`);
  const json = (command: string): string => fsio(['-r', '--json', '-c', command, `${image}:/x`]).stdout;
  assert.match(json('stat'), `"size":${LARGEST},`);
  assert.match(json('fiemap'), `"logical":${LAST_4K},"physical":`);
  assert.match(json('seek -d 0'), `"result":${LAST_4K}}`);
  assert.match(json('manifest /'), `[${LAST_4K},`);
  assert.match(json('bulkstat'), `"size":${LARGEST},`);
  assert.match(fsio(['-r', '-c', 'ls -p', image]).stdout, ` ${LARGEST} 8 `);
  assert.match(fsio(['-r', '-c', 'map /x', image]).stdout, 'hole: 8 EiB');
  const traced = fsio(['-r', '--trace', '-c', `pread -q ${LARGEST - 1n} 1`, `${image}:/x`]);
  assert.match(`${traced.stdout}${traced.stderr}`, 'offset 0x7ffffffffffff000 length 0x1000 type MAPPED');
  const got = fsio(['-r', '-c', `get /x ${join(scratch(true), 'host')}`, image]);
  assert.match(got.stderr, 'File too large');
});

test.run();
