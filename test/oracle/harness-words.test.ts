/**
 * What test harnesses rely on that stand an image in for a mount: `mv A B` is rename(2) whatever B is, and a file that
 * the first command opens is the only one, although the target of such a run is `IMAGE:/`.
 */
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { comparable, firstDifference } from '../harness/compare-output.ts';
import { fsio, fsioOn, missingFsio } from '../harness/fsio.ts';
import { copyImage, makeXfs, missingJudges, must, repairComplaints, run, withMount } from '../harness/kernel.ts';
import { missingPython } from '../harness/kernel-names.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';

const test = gatedSuite('harness-words', missingFsio() ?? missingJudges() ?? missingPython());
const dir = scratch(true);

const RENAMES: readonly (readonly [string, string])[] = [
  ['/full', '/other'],
  ['/full/full', '/full'],
  ['/full', '/empty'],
  ['/file', '/other'],
  ['/other', '/file'],
  ['/file', '/other/file'],
  ['/other/file', '/file'],
  ['/empty', '/new'],
];

const tree = (image: string): string =>
  withMount(image, (mount) => must('find', mount, '-printf', '%P %y\\n').split('\n').sort().join('\n'));

test('mv of two names is rename(2)', () => {
  const theirs = makeXfs(join(dir, 'kernel.img'));
  withMount(theirs, (mount) => {
    const folders = ['full/full', 'other/empty', 'empty'].map((name) => join(mount, name));
    must('mkdir', '-p', ...folders);
    must('touch', ...['file', 'full/a', 'other/b', 'full/full/c'].map((name) => join(mount, name)));
  });
  const ours = copyImage(theirs, join(dir, 'fsio.img'));
  const program = 'import os,sys\ntry: os.rename(*sys.argv[1:])\nexcept OSError as e: print(e.strerror)';
  for (const [from, to] of RENAMES) {
    const wanted = withMount(theirs, (mount) => must('python3', '-c', program, `${mount}${from}`, `${mount}${to}`));
    const got = fsio(['-c', `mv ${from} ${to}`, `${ours}:/`]);
    assert.is(got.stderr.replace(/^mv: \S+: /, ''), wanted, `mv ${from} ${to}`);
    assert.is(got.status, wanted === '' ? 0 : 1);
    assert.is(tree(ours), tree(theirs), `after mv ${from} ${to}`);
  }
  const into = ['mkdir /place', 'mv /new /place/', 'mv /file /other /place'];
  assert.is(fsioOn(ours, '/', into).stderr, '');
  assert.is(
    withMount(ours, (mount) => must('ls', join(mount, 'place'))),
    'file\nnew\nother\n',
  );
  assert.equal(repairComplaints(ours), []);
});

test('a run that begins with open has that file only', () => {
  const image = makeXfs(join(dir, 'open.img'));
  const commands = ['open -fd /file', 'pwrite -S 0xff 0 8k', 'stat -r'];
  const got = fsioOn(image, '/', commands);
  const wanted = withMount(image, (mount) => {
    const place = (command: string) => command.replace('/file', `${mount}/file`);
    return run(
      'xfs_io',
      commands.flatMap((command) => ['-c', place(command)]),
    );
  });
  assert.is(got.stderr, wanted.stderr);
  const wrote = (text: string) => comparable(text).filter((line) => line.startsWith('wrote'));
  assert.equal(wrote(got.stdout), wrote(wanted.stdout));
  assert.is(wrote(got.stdout).length, 1);
});

test('stdout and stderr in one file or pipe come in the order that xfs_io gives them', () => {
  const image = makeXfs(join(dir, 'order.img'));
  withMount(image, (mount) => run('xfs_io', ['-f', '-c', 'pwrite 0 64k', `${mount}/f`]));
  const program = process.env.FSIO_PROGRAM ?? join(process.cwd(), 'dist', 'fsio.js');
  const merged = join(dir, 'merged');
  const scripts = [
    '-c "pread -qv 0 1k" -c nonsense -c "pread -q 0 1" -c nonsense2',
    '-c "pread -qv 0 1000" -c nonsense -c "pread -qv 0 6k" -c "pread x 1" -c "pread -qv 0 60k" -c nonsense',
  ];
  for (const script of scripts)
    for (const way of ['2>&1 | cat', `> ${merged} 2>&1; cat ${merged}`]) {
      const said = (io: string, file: string) => run('sh', ['-c', `${io} ${script} ${file} ${way}`]).stdout;
      const ours = copyImage(image, join(dir, 'ours.img'));
      const wanted = withMount(copyImage(image, join(dir, 'theirs.img')), (mount) => said('xfs_io', `${mount}/f`));
      const got = said(`${process.execPath} ${program}`, `${ours}:/f`);
      assert.is(firstDifference(got.split('\n'), wanted.split('\n')), null, script);
    }
});

test("chown's names are the image's own", () => {
  const image = makeXfs(join(dir, 'owner.img'));
  withMount(image, (mount) => {
    const lines = [
      'mkdir etc; echo guest:x:1234:77::/:/bin/sh > etc/passwd; echo crew:x:88: > etc/group',
      ...['a', 'b', 'c', 'd', 'e'].map((name) => `touch ${name}; chmod 6755 ${name}`),
    ];
    must('sh', '-ec', `cd ${mount}; ${lines.join('; ')}`);
  });
  const changes = ['guest /a', 'guest:crew /b', 'guest: /c', ':crew /d', '5:6 /e'].map((words) => `chown ${words}`);
  const got = fsioOn(image, '/', [...changes, 'chown root /a', 'chown :guest /a', 'chmod g+s,o= /b']);
  assert.is(got.stderr, 'chown: invalid user: root\nchown: invalid group: guest\n');
  const owners = withMount(image, (mount) => must('sh', '-c', `cd ${mount}; stat -c '%n %u %g %a' a b c d e`));
  assert.is(owners, 'a 1234 0 755\nb 1234 88 2750\nc 1234 77 755\nd 0 88 755\ne 5 6 755\n');
  assert.equal(repairComplaints(image), []);
});

test('a usage line that scripts look for has the word they look for', () => {
  const image = makeXfs(join(dir, 'usage.img'));
  const script = (usage: string) => /Query/.test(usage);
  const wanted = withMount(image, (mount) => run('xfs_io', ['-c', 'inode -n', mount]));
  const got = fsioOn(image, '/', ['inode -n']);
  assert.is(script(got.stdout + got.stderr), script(wanted.stdout + wanted.stderr));
  assert.is(got.status, wanted.status);
});

test.run();
