// time limit: 400 s
/**
 * POSIX ACLs: set by setfacl in Linux and by fsio from the same attribute values; inherited by what is created; changed
 * by chmod. Linux lists both images alike, and xfs_repair or btrfs check finds nothing.
 */
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { checkComplaints, makeBtrfs, missingBtrfsJudges, withBtrfs } from '../harness/btrfs-judge.ts';
import { firstDifference } from '../harness/compare-output.ts';
import { missingFsio } from '../harness/fsio.ts';
import { fsioInside } from '../harness/fsio-inside.ts';
import { copyImage, makeXfs, missingJudges, must, repairComplaints, run, withMount } from '../harness/kernel.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';

const missingAcl = () =>
  run('sh', ['-c', 'command -v setfacl getfacl getfattr']).status === 0 ? null : 'needs setfacl';
const test = gatedSuite('access control lists', missingJudges() ?? missingFsio() ?? missingAcl());
const dir = scratch(true);

/** What Linux does in the mount point, and the commands that are to do the same. */
type Step = readonly [shell: string, ours: readonly string[]];

const ACCESS = 'u::rw-,u:1000:rwx,u:2000:r--,g::r-x,g:100:---,m::rwx,o::r--';
const DEFAULT = 'u::rwx,u:1000:rwx,g::r-x,g:55:rw-,m::rwx,o::---';

const TAGS: Readonly<Record<string, number>> = { 'u:': 1, u: 2, 'g:': 4, g: 8, 'm:': 16, 'o:': 32 };

/** The attribute's value for a list in setfacl's words. */
function aclValue(list: string): string {
  const entries = list.split(',').map((entry) => {
    const [kind = '', id = '', perm = ''] = entry.split(':');
    const bytes = Buffer.alloc(8);
    bytes.writeUInt16LE(TAGS[id === '' ? `${kind}:` : kind] ?? 0, 0);
    bytes.writeUInt16LE(
      ['r', 'w', 'x'].reduce((bits, letter, i) => bits | (perm.includes(letter) ? 4 >> i : 0), 0),
      2,
    );
    bytes.writeUInt32LE(id === '' ? 0xffffffff : Number(id), 4);
    return bytes.toString('hex');
  });
  return `0x02000000${entries.join('')}`;
}

const set = (kind: 'access' | 'default', list: string, path: string): Step => [
  `setfacl ${kind === 'default' ? '-d ' : ''}--set ${list} .${path}`,
  [`attr -e hex set system.posix_acl_${kind} ${aclValue(list)} ${path}`],
];

function steps(): Step[] {
  return [
    ['touch a b; mkdir d e', ['touch /a /b', 'mkdir /d /e']],
    set('access', ACCESS, '/a'),
    set('access', 'u::rwx,g::r--,o::---', '/b'),
    set('default', DEFAULT, '/d'),
    set('access', ACCESS, '/d'),
    ['chmod 640 a', ['chmod 640 /a']],
    ['chmod 2751 d', ['chmod 2751 /d']],
    ['touch d/f', ['touch /d/f']],
    ['mkdir d/g d/g/h', ['mkdir /d/g /d/g/h']],
    ['mkfifo d/p; mknod d/n c 1 3', ['mkfifo /d/p', 'mknod /d/n c 1 3']],
    ['ln -s f d/l', ['symlink f /d/l']],
    ['mkdir -m 700 d/s; mkfifo -m 600 d/q', ['mkdir -m 700 /d/s', 'mkfifo -m 600 /d/q']],
    ['xfs_io -f -m 0751 -c quit d/x', ['open -f -m 0751 /d/x']],
    set('default', 'u::rwx,g::r-x,o::r-x', '/e'),
    ['touch e/f; mkdir e/g', ['touch /e/f', 'mkdir /e/g']],
    ['setfacl -k d/g', ['attr remove system.posix_acl_default /d/g']],
    ['setfacl -b b; touch d/g/new', ['attr remove system.posix_acl_access /b', 'touch /d/g/new']],
    ['setfattr -x system.posix_acl_access a', ['attr remove system.posix_acl_access /a']],
    [
      'i=1; while [ $i -le 300 ]; do echo u:$i:rwx; i=$((i+1)); done > /tmp/fsio-acl-$$; setfacl -M /tmp/fsio-acl-$$ d/f; rm /tmp/fsio-acl-$$',
      [`attr -e hex set system.posix_acl_access ${manyUsers(300)} /d/f`],
    ],
    ['chmod 400 d/f', ['chmod 400 /d/f']],
  ];
}

/** The list that d/f has after so many users were added: the largest go to blocks of their own. */
function manyUsers(count: number): string {
  const users = Array.from({ length: count }, (_, i) => `u:${i + 1}:rwx`).join(',');
  return aclValue(`u::rw-,${users},u:1000:rwx,g::r-x,g:55:rw-,m::rwx,o::---`);
}

/** Making, mounting and checking images of one format. */
interface Judge {
  readonly missing: string | null;
  make(image: string, args: readonly string[]): string;
  mounted<T>(image: string, use: (at: string) => T): T;
  complaints(image: string): string[];
}

const JUDGES: Readonly<Record<'xfs' | 'btrfs', Judge>> = {
  xfs: {
    missing: null,
    make: (image, args) => makeXfs(image, { args }),
    mounted: (image, use) => withMount(image, use),
    complaints: repairComplaints,
  },
  btrfs: {
    missing: missingBtrfsJudges(),
    make: (image, args) => {
      const [made] = makeBtrfs(scratch(true), { name: 'acl', args });
      return copyImage(made as string, image);
    },
    mounted: (image, use) => withBtrfs([image], use),
    complaints: (image) => checkComplaints([image]),
  },
};

const listing = (judge: Judge, image: string): string[] =>
  judge.mounted(image, (at) =>
    must('sh', '-c', `cd ${at} && getfacl -R -n -p . && find . -printf '%p %M %U %G\\n' | sort`).split('\n'),
  );

const LAYOUTS: readonly (readonly ['xfs' | 'btrfs', readonly string[]])[] = [
  ['xfs', []],
  ['xfs', ['-i', 'size=2048']],
  ['xfs', ['-b', 'size=1024', '-m', 'rmapbt=1']],
  ['btrfs', []],
  ['btrfs', ['-n', '4096', '-O', '^no-holes,^extref,^skinny-metadata']],
];

for (const [format, args] of LAYOUTS) {
  test(`mkfs.${format} ${args.join(' ')}`, () => {
    const judge = JUDGES[format];
    if (judge.missing !== null) return;
    const theirs = judge.make(join(dir, 'theirs.img'), args);
    const ours = copyImage(theirs, join(dir, 'ours.img'));
    const list = steps();
    judge.mounted(theirs, (at) => {
      for (const [shell] of list) must('sh', '-c', `cd ${at} && umask 022 && ${shell}`);
    });
    for (const [shell, commands] of list) {
      const outcome = fsioInside(['--strict', ...commands.flatMap((command) => ['-c', command]), ours]);
      assert.is(outcome.status, 0, `${shell}: ${outcome.stdout}${outcome.stderr}`);
      assert.equal(judge.complaints(ours), [], shell);
    }
    assert.is(firstDifference(listing(judge, ours), listing(judge, theirs)), null);
  });
}

for (const [format, judge] of Object.entries(JUDGES)) {
  test(`what Linux refuses on ${format}`, () => refusals(judge));
}

function refusals(judge: Judge): void {
  if (judge.missing !== null) return;
  const theirs = judge.make(join(dir, 'refused.img'), []);
  const ours = copyImage(theirs, join(dir, 'refused-ours.img'));
  const access = aclValue(ACCESS).slice(2);
  const values = [
    access.slice(0, -2),
    `01${access.slice(2)}`,
    `${access.slice(0, 8)}${access.slice(24)}`,
    access.replace(/^(.{8}.{4})..../, '$10800'),
    '02000000',
    '',
    '0200',
  ];
  judge.mounted(theirs, (at) => must('sh', '-c', `cd ${at}; touch f; mkdir d; ln -s f l`));
  fsioInside(['-c', 'touch /f', '-c', 'mkdir /d', '-c', 'symlink f /l', ours]);
  const wanted = judge.mounted(theirs, (at) =>
    cases(values).map(([kind, value, path]) => {
      const { stderr } = run('setfattr', ['-h', '-n', `system.posix_acl_${kind}`, '-v', `0x${value}`, join(at, path)]);
      return /: ([^:]*)$/.exec(stderr.trim())?.[1] ?? 'done';
    }),
  );
  const got = cases(values).map(([kind, value, path]) => {
    const line = `attr -e hex set system.posix_acl_${kind} "${value}" ${path}`;
    return /: ([^:]*)$/.exec(fsioInside(['-c', line, ours]).stderr.trim())?.[1] ?? 'done';
  });
  assert.equal(got, wanted);
  assert.is(firstDifference(listing(judge, ours), listing(judge, theirs)), null);
}

function cases(values: readonly string[]): (readonly [kind: string, value: string, path: string])[] {
  return ['access', 'default'].flatMap((kind) =>
    ['/f', '/d', '/l'].flatMap((path) => values.map((value) => [kind, value, path] as const)),
  );
}

test.run();
