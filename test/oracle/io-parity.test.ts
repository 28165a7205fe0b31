// time limit: 500 s
/**
 * The same commands through xfs_io on a mounted copy and through fsio on an unmounted copy of one image that Linux
 * made: the same lines on standard output and standard error, the same exit status.
 */
import { missingFsio } from '../harness/fsio.ts';
import { missingJudges } from '../harness/kernel.ts';
import { announceSeed, sample } from '../harness/random.ts';
import { gatedSuite } from '../harness/suite.ts';
import { hasReflink, VARIANTS } from '../harness/variants.ts';
import { type Case, compare, preparedXfs } from './io-compare.ts';

const test = gatedSuite('output against xfs_io', missingJudges() ?? missingFsio());

const READING: readonly Case[] = [
  ...['small', 'holey', 'keep', 'far', 'empty', 'tail', 'frag', ''].flatMap((file): Case[] => [
    { path: `/${file}`, flags: ['-r'], commands: ['fiemap -v'] },
    { path: `/${file}`, flags: ['-r'], commands: ['fiemap'] },
    { path: `/${file}`, flags: ['-r'], commands: ['bmap -vp', 'bmap'] },
    { path: `/${file}`, flags: ['-r'], commands: ['stat'] },
  ]),
  ...['small', 'holey', 'keep', 'far', 'empty', 'tail', 'frag'].flatMap((file): Case[] => [
    { path: `/${file}`, flags: ['-r'], commands: ['seek -a -r 0', 'seek -d 0', 'seek -h 0', 'seek -a 70000'] },
    { path: `/${file}`, flags: ['-r'], commands: ['pread 0 100', 'pread -v 4990 100', 'pread -q 0 8k', 'pread 10g 1'] },
  ]),
  {
    path: '/frag',
    flags: ['-r'],
    // Once given, xfs_io's fiemap -n holds for the rest of the session: it comes last.
    commands: ['fiemap 100k 1m', 'fiemap -v 1m 100k', 'bmap -n 4', 'fiemap -v -n 5'],
  },
  ...['pieces', 'shared'].map(
    (file): Case => ({
      path: `/${file}`,
      flags: ['-r'],
      commands: ['fiemap', 'fiemap -l 65000 3m', 'fiemap 3m 3m', 'bmap -vp', 'fiemap -v'],
      reflink: file === 'shared',
    }),
  ),
  { path: '/frag', flags: ['-r'], commands: ['bmap -l', 'bmap -v', 'bmap -a', 'bmap -av', 'fiemap -a'] },
  { path: '/small', flags: ['-r'], commands: ['stat -v', 'stat -r'] },
  { path: '/small', flags: ['-r'], commands: ['statfs'] },
  { path: '/small', flags: ['-r'], commands: ['print', 'file', 'open /holey', 'file', 'file 0', 'close', 'print'] },
  { path: '/small', flags: ['-r'], commands: ['pwrite 0 10', 'truncate 5', 'fsync'] },
  {
    path: '/small',
    flags: ['-r'],
    commands: ['pread -b 1000 0 5000', 'pread -v 0x10 020', 'pread -v 1b 1s', 'pread 1k 1k'],
  },
  { path: '/small', flags: ['-r'], commands: ['pread -1 5', 'pread x 5', 'pread 0 y', 'nonsense', 'seek -a x'] },
  { path: '/missing', flags: ['-r'], commands: ['pread 0 1'] },
  { path: '/small/x', flags: ['-r'], commands: ['pread 0 1'] },
  ...['src', 'clone', 'part'].flatMap((file): Case[] => [
    { path: `/${file}`, flags: ['-r'], commands: ['fiemap -v', 'bmap -vp', 'seek -a -r 0'], reflink: true },
  ]),
];

const WRITING: readonly Case[] = [
  { path: '/small', commands: ['pwrite -S 0x61 100 200', 'pread -v 90 300', 'fsync', 'stat'] },
  { path: '/small', commands: ['pwrite 5000 1', 'pread -v 4990 100'] },
  {
    path: '/small',
    commands: ['pwrite -S 0x62 10000 5', 'pread -v 9990 100', 'seek -a -r 0', 'fsync', 'seek -a -r 0'],
  },
  { path: '/small', commands: ['pwrite -b 700 -S 9 1 3000', 'pread -b 513 0 4000'] },
  {
    path: '/small',
    commands: ['pwrite -B -b 1000 -S 5 0 3500', 'pread -v 0 32', 'pread -B -b 1000 0 5k', 'pread -F 0 5k'],
  },
  {
    path: '/small',
    commands: ['pwrite -q -W -S 0x70 0 100', 'pwrite -w 0 100', 'pwrite -V 4 -b 1k 0 8k', 'pread -V 2 0 8k'],
  },
  { path: '/small', commands: ['truncate 3', 'stat', 'truncate 100k', 'pread -v 0 40', 'truncate -1', 'truncate'] },
  {
    path: '/holey',
    commands: ['pwrite -S 0x61 70k 10k', 'pwrite -S 0x61 260k 5', 'pread -v 266238 10', 'seek -a -r 0'],
  },
  {
    path: '/holey',
    commands: ['truncate 100001', 'pread -v 99990 20', 'truncate 200k', 'pread -v 99990 20', 'fsync', 'fiemap -l'],
  },
  { path: '/empty', commands: ['pwrite 0 0', 'stat', 'pread 0 1', 'pwrite 1g 1', 'stat', 'seek -h 0', 'seek -d 0'] },
  { path: '/new', flags: ['-f'], commands: ['stat', 'pwrite 0 4k', 'fsync', 'fdatasync', 'sync', 'stat'] },
  { path: '/new', commands: ['stat'] },
  { path: '/small', flags: ['-t'], commands: ['stat', 'pwrite 0 3'] },
  { path: '/small', flags: ['-a'], commands: ['pwrite -S 0x65 0 3', 'pread -v 4996 20', 'stat'] },
  { path: '/small', flags: ['-s'], commands: ['pwrite 0 3', 'stat'] },
  {
    path: '/small',
    flags: ['-d'],
    commands: ['pwrite -S 0x63 0 4k', 'pwrite 0 100', 'pread 0 4k', 'pread 1 5', 'stat'],
  },
  { path: '/clone', commands: ['pwrite -S 0x61 4097 100', 'pread -v 4090 120', 'fsync', 'stat'], reflink: true },
  {
    path: '/clone',
    commands: ['reflink /src 0 0 64k', 'reflink /src 1 0 64k', 'reflink /src 64k 1m 64k', 'stat'],
    reflink: true,
  },
  {
    path: '/new',
    flags: ['-f'],
    commands: ['reflink /src', 'stat', 'pread -v 0 32', 'reflink /missing'],
    reflink: true,
  },
  {
    path: '/clone',
    commands: ['reflink /clone 0 64k 64k', 'reflink /clone 0 4k 64k', 'reflink / 0 0 1'],
    reflink: true,
  },
  {
    path: '/clone',
    commands: ['reflink /src 600k 0 64k', 'reflink -q /src 0 0 128k', 'reflink', 'reflink /src 0 0'],
    reflink: true,
  },
];

const seed = announceSeed('io-parity');
for (const [index, variant] of VARIANTS.slice(0, 3).entries()) {
  const prepared = preparedXfs(variant);
  const all = [...READING, ...WRITING];
  // All on the first kind of image, of the others what the seed chooses.
  for (const one of sample(all, index === 0 ? all.length : Math.ceil(all.length / 3), seed + index)) {
    if (one.reflink && !hasReflink(variant)) continue;
    test(`${variant.name}: ${one.flags?.join(' ') ?? ''} ${one.commands.join('; ')} on ${one.path}`, () =>
      compare(prepared, one));
  }
}

/** In numbers, s is a sector of the file system. */
test('sectors of 4 KiB', () => {
  const sectors = VARIANTS.find(({ name }) => name === 'sector-4k') as (typeof VARIANTS)[number];
  const commands = ['pread 1s 5', 'pwrite -S 1 2s 1s', 'fzero 3s 1s', 'dedupe /frag 3s 64k 1s', 'bmap', 'stat'];
  compare(preparedXfs(sectors), { path: '/small', commands });
});

test.run();
