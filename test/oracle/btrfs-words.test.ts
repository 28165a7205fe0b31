// time limit: 300 s
/** The words of btrfs against btrfs-progs: dump-tree and dump-super line by line, subvolumes, properties and places. */
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { checkComplaints, makeBtrfs, missingBtrfsJudges, withBtrfs, withLoops } from '../harness/btrfs-judge.ts';
import { firstDifference } from '../harness/compare-output.ts';
import { missingFsio } from '../harness/fsio.ts';
import { fsioInside } from '../harness/fsio-inside.ts';
import { BTRFS_IMAGES, unpackImage } from '../harness/images.ts';
import { must, run } from '../harness/kernel.ts';
import { announceSeed, sample } from '../harness/random.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';

const test = gatedSuite('words of btrfs', missingBtrfsJudges() ?? missingFsio());
const dir = scratch(true);

/** What the tool of btrfs-progs prints, without the line that names its version. */
function progs(...args: string[]): string[] {
  return must('btrfs', 'inspect-internal', ...args)
    .replace(/^btrfs-progs v.*\n/, '')
    .split('\n');
}

function ours(image: string, command: string, ...options: string[]): string[] {
  const { status, stdout, stderr } = fsioInside(['-r', ...options, '-c', command, image]);
  assert.is(status, 0, `${command}: ${stderr}`);
  return stdout.split('\n');
}

const DUMPS = [
  '',
  '-r',
  '-R',
  '-e',
  '-d',
  '-u',
  '-t fs',
  '-t 5',
  '-t csum --csum-items',
  '-t EXTENT_TREE',
  '--dfs',
  '--csum-headers',
];

function compareDumps(image: string, dumps: readonly string[] = ['', '-e']): void {
  for (const words of dumps) {
    const args = words.split(' ').filter((word) => word !== '');
    const got = ours(image, `dump-tree ${words}`, '--norecovery');
    assert.is(firstDifference(got, progs('dump-tree', ...args, image)), null, `dump-tree ${words}`);
  }
  for (const words of ['', '-f', '-fa', '-s 1']) {
    const args = words.split(' ').filter((word) => word !== '');
    assert.is(firstDifference(ours(image, `dump-super ${words}`), progs('dump-super', ...args, image)), null, words);
  }
}

for (const name of [...BTRFS_IMAGES, 'btrfs-log-tree'] as const) {
  test(`dumps of ${name}`, () =>
    compareDumps(unpackImage(name, join(dir, `${name}.img`)), name === 'btrfs-subvol' ? DUMPS : ['', '-r']));
}

/** What the shared images do not have: quota groups, extended references, a balance that was interrupted, back references. */
const UNUSUAL = `
btrfs quota enable .; btrfs quota rescan -w . >/dev/null; btrfs qgroup create 1/0 .; btrfs qgroup limit 100m 1/0 .
touch f; i=0; while [ $i -lt 400 ]; do ln f $(printf '%0200d' $i); i=$((i+1)); done
btrfs subvolume create s >/dev/null; dd if=/dev/urandom of=s/data bs=64k count=40 2>/dev/null; sync
btrfs subvolume snapshot s t >/dev/null; dd if=/dev/zero of=t/data bs=4k count=3 conv=notrunc 2>/dev/null
cp --reflink s/data copy; truncate -s 1m hole; fallocate -l 300k pre; mkfifo p; mknod n c 5 9
setfattr -n user.x -v "$(head -c 3000 /dev/zero | tr '\\0' v)" f; btrfs property set s compression zlib; chattr +C .
mkdir dir; i=0; while [ $i -lt 3000 ]; do : > dir/$i; i=$((i+1)); done; sync
`;

for (const args of [[], ['-n', '4096'], ['--csum', 'sha256', '-m', 'single'], ['--mixed', '--csum', 'blake2']]) {
  test(`dumps of what mkfs.btrfs ${args.join(' ')} made`, () => {
    const [image] = makeBtrfs(scratch(true), { name: 'unusual', args }) as [string];
    withBtrfs([image], (at) => must('sh', '-c', `cd ${at}; ${UNUSUAL}`));
    compareDumps(image);
  });
}

test('subvolumes, properties, places', () => {
  const [image] = makeBtrfs(scratch(true), { name: 'words', args: [] }) as [string];
  withBtrfs([image], (at) => must('sh', '-c', `cd ${at}; ${UNUSUAL} btrfs subvolume snapshot -r s dir/ro >/dev/null`));
  const steps: readonly string[] = [
    'subvolume create /new',
    'subvolume create /new/inner',
    'subvolume snapshot /s /new/snap',
    'subvolume snapshot -r /new /frozen',
    'subvolume delete /t',
    'subvolume set-default /s',
    'property set /new ro true',
    'property set /copy compression zstd',
    'label -s näme',
  ];
  for (const step of steps) {
    const { status, stderr } = fsioInside(['--subvol', '5', '--strict', '-c', step, image]);
    assert.is(status, 0, `${step}: ${stderr}`);
    // The quota groups count differently until the next rescan says so itself.
    const complaints = checkComplaints([image], true).filter((line) => !/^(Rescan|Counts|our:|disk:|diff:)/.test(line));
    assert.equal(complaints, [], step);
  }
  assert.is(must('btrfs', 'filesystem', 'label', image).trim(), Buffer.from('näme').toString('latin1'));
  const asked: readonly (readonly [ours: string, theirs: string])[] = [
    ['subvolume list', 'btrfs subvolume list .'],
    ['subvolume list -s', 'btrfs subvolume list -s .'],
    ['subvolume list -pcuqR', 'btrfs subvolume list -pcuqR .'],
    ['subvolume list -r -t', 'btrfs subvolume list -r -t .'],
    ['subvolume list -a', 'btrfs subvolume list -a .'],
    ['subvolume list -o', 'btrfs subvolume list -o .'],
    ['subvolume get-default', 'btrfs subvolume get-default .'],
    ['subvolume list -G +14', 'btrfs subvolume list -G +14 .'],
    ['subvolume list -C -20 --sort=-ogen,path', 'btrfs subvolume list -C -20 --sort=-ogen,path .'],
    ['subvolume show /new/snap', 'btrfs subvolume show new/snap'],
    ['subvolume show /frozen', 'btrfs subvolume show frozen'],
    ['qgroup show -pcre', 'btrfs qgroup show -pcre .'],
    ['qgroup show --raw --sort=-excl', 'btrfs qgroup show --raw --sort=-excl .'],
    ['qgroup show -F --kbytes /s', 'btrfs qgroup show -F --kbytes s'],
    ['filesystem du /s /new', '(cd ..; btrfs filesystem du ./*/s ./*/new | sed "s#  [.]/[^/]*/#  /#")'],
    ['filesystem du -s --raw /s', '(cd ..; btrfs filesystem du -s --raw ./*/s | sed "s#  [.]/[^/]*/#  /#")'],
    ['filesystem label', 'btrfs filesystem label .'],
    ['filesystem df --si', 'btrfs filesystem df --si .'],
    ['filesystem df -k', 'btrfs filesystem df -k .'],
    ['filesystem df --raw', 'btrfs filesystem df --raw .'],
    ['property list /new', 'btrfs property list new'],
    ['property get -t s /new', 'btrfs property get -t s new'],
    ['inode-resolve -v 257 /s', 'btrfs inspect-internal inode-resolve 257 s | sed "s#^s#/s#"'],
    ['property get /new ro', 'btrfs property get new ro'],
    ['property get /copy', 'btrfs property get copy'],
    ['property get / label', 'btrfs property get -t filesystem . label'],
    ['rootid /new/snap', 'btrfs inspect-internal rootid new/snap'],
    ['filesystem df', 'btrfs filesystem df .'],
  ];
  const wanted = withBtrfs(
    [image],
    (at) => asked.map(([, line]) => must('sh', '-c', `cd ${at}; ${line}`)),
    'subvolid=5,ro',
  );
  for (const [i, [line]] of asked.entries()) {
    assert.is(ours(image, line, '--subvol', '5').join('\n'), wanted[i], line);
  }
});

/** Devices have other names when they are mounted, and tables are as wide as those. */
function plain(text: string, table: boolean): string {
  const named = text.replace(/\/\S*?(loop\d+|\d\.img)/g, 'DEVICE').replace(/read time: .*/g, 'read time');
  return table ? named.replace(/ {2,}/g, ' ').replace(/-{2,}/g, '-') : named;
}

/** What btrfs inspect-internal prints of several devices; those of other tests come and go while it looks for them. */
function ofDevices(images: readonly string[], ...args: readonly string[]): string[] {
  for (let attempt = 0; ; attempt++) {
    const text = withLoops(images, ([first]) => must('btrfs', 'inspect-internal', ...args, first as string));
    if (!/is missing/.test(text) || attempt === 20) return text.split('\n');
    run('sleep', ['0.3']);
  }
}

const FILLED = `
btrfs quota enable .; btrfs subvolume create s >/dev/null; dd if=/dev/urandom of=s/data bs=64k count=400 2>/dev/null
i=0; while [ $i -lt 2000 ]; do echo $i > s/$i; i=$((i+1)); done; sync; mkdir d; fallocate -l 3m d/pre; truncate -s 1m d/hole
truncate -s 0 d/swap; chattr +C d/swap; fallocate -l 9m d/swap; head -c 300000 /dev/zero > z; btrfs property set s compression zstd; head -c 300000 /dev/zero > s/zeros; sync
btrfs subvolume snapshot s t >/dev/null; btrfs qgroup limit 100m 0/256 .; dd if=/dev/zero of=t/data bs=4k count=2000 conv=notrunc 2>/dev/null
`;

const SPREADS = [
  { args: '-d raid0 -m raid1', devices: 3 },
  { args: '-d single -m dup -n 4096', devices: 1 },
  { args: '-d raid10 -m raid1c3', devices: 4 },
  { args: '-M', devices: 1 },
  { args: '-d raid5 -m raid6', devices: 4 },
] as const;

for (const { args, devices } of sample(SPREADS, 2, announceSeed('btrfs-words'))) {
  test(`devices, space and trees: mkfs.btrfs ${args}`, () => {
    const images = makeBtrfs(scratch(true), { name: 'devices', args: args.split(' '), devices });
    withBtrfs(images, (at) => must('sh', '-c', `cd ${at}; ${FILLED} btrfs quota rescan -w . >/dev/null`));
    const asked: readonly (readonly [ours: string, theirs: string])[] = [
      ['filesystem usage', 'btrfs filesystem usage .'],
      ['filesystem usage -T', 'btrfs filesystem usage -T .'],
      ['filesystem usage -T --raw', 'btrfs filesystem usage -T --raw .'],
      ['filesystem df --si', 'btrfs filesystem df --si .'],
      ['device usage', 'btrfs device usage .'],
      ['device usage -k', 'btrfs device usage -k .'],
      ['device stats', 'btrfs device stats .'],
      ['device stats -T', 'btrfs device stats -T .'],
      ...images.map((_, i) => [`min-dev-size --id ${i + 1}`, `btrfs ins min-dev-size --id ${i + 1} .`] as const),
      // Copies and stripes are no swap space.
      ...(args.includes('single')
        ? ([['map-swapfile /d/swap', 'btrfs inspect-internal map-swapfile d/swap']] as const)
        : []),
      ['subvolume show --raw /s', 'btrfs subvolume show --raw s'],
      ['subvolume show --si --mbytes -r 257', 'btrfs subvolume show --si --mbytes -r 257 .'],
      ['subvolume find-new / 7', 'btrfs subvolume find-new . 7'],
      ['subvolume find-new /s 0', 'btrfs subvolume find-new s 0'],
      ['subvolume find-new /t 9', 'btrfs subvolume find-new t 9'],
    ];
    const wanted = withBtrfs(images, (at) => asked.map(([, line]) => must('sh', '-c', `cd ${at}; ${line}`)), 'ro');
    const image = images[0] as string;
    for (const [i, [line]] of asked.entries()) {
      const same = (lines: readonly string[]): string[] => lines.map((text) => plain(text, / -T/.test(line)));
      assert.is(firstDifference(same(ours(image, line)), same((wanted[i] as string).split('\n'))), null, line);
    }
    for (const words of ['tree-stats', 'tree-stats -b']) {
      const lines = ofDevices(images, ...words.split(' '));
      const same = (all: readonly string[]): string[] => all.map((text) => plain(text, false));
      assert.is(firstDifference(same(ours(image, words)), same(lines)), null, words);
    }
  });
}

test('logical addresses', () => {
  const image = unpackImage('btrfs-subvol', join(dir, 'places.img'));
  const chunk = must('btrfs', 'inspect-internal', 'dump-tree', '-t', '5', image);
  const places = [...chunk.matchAll(/extent data disk byte ([1-9]\d+) nr/g)].map(([, place]) => place as string);
  const some = [...new Set(places)].slice(0, 20);
  const wanted = withBtrfs(
    [image],
    (at) => some.map((place) => run('btrfs', ['inspect-internal', 'logical-resolve', '-P', place, at]).stdout),
    'ro',
  );
  for (const [i, place] of some.entries()) {
    assert.is(ours(image, `logical-resolve -P ${place}`).join('\n'), wanted[i], place);
    const mapped = run('btrfs-map-logical', ['-l', place, image]).stdout;
    assert.is(ours(image, `map-logical -l ${place}`).join('\n'), mapped, place);
  }
});

test.run();
