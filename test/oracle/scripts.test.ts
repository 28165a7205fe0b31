// time limit: 240 s
/**
 * Scripts: one written for xfs_io on a mount does the same with `--at` (or FSIO_AT) on the image; commands come from
 * files; two runs of one script on copies of one image give identical bytes.
 */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { comparable, firstDifference } from '../harness/compare-output.ts';
import { fsio, missingFsio } from '../harness/fsio.ts';
import { imageDigest } from '../harness/images.ts';
import { copyImage, makeXfs, missingJudges, must, repairComplaints, run, withMount } from '../harness/kernel.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';

const test = gatedSuite('scripts', missingJudges() ?? missingFsio());
const dir = scratch(true);
const program = process.env.FSIO_PROGRAM ?? join(process.cwd(), 'dist', 'fsio.js');

/** As people write them (no places on the device: Linux keeps staged blocks from one command to the next): variables, a loop, relative names, options in every place. */
const SCRIPT = `set -e
cd $DIR
$XFS_IO_PROG -f -c "pwrite -S 0x61 0 256k" -c fsync $DIR/a
for i in 1 2 3; do
  $XFS_IO_PROG -f -c "reflink $DIR/a" $DIR/b$i
  $XFS_IO_PROG -c "pwrite -S 0x7$i $((i * 10000)) 5000" -c "fsync" -c "seek -a -r 0" b$i
done
$XFS_IO_PROG -f -c "pwrite -q -b 8k -i $DIR/b1 4096 32k" -c "pread -v 14090 20" c
$XFS_IO_PROG -c "open $DIR/b2" -c "reflink b3 0 0 64k" -c "file" -c close
$XFS_IO_PROG -c "dedupe $DIR/a 0 0 8k" -c "stat" b3 2>&1
$XFS_IO_PROG -r -c "pread -v 0 16" $DIR/missing || echo "status $?"
$XFS_IO_PROG -c "copy_range -s 4k -d 1m -l 100k $DIR/a" -c "stat" -c "truncate 70000" $DIR/c
$XFS_IO_PROG -c "mmap 0 8k" -c "mwrite -S 0x5a 100 5000" -c "msync -s" -c "munmap" c
`;

const sums = (image: string): string[] =>
  withMount(image, (at) => must('sh', '-c', `cd ${at} && sha256sum * && stat -c '%n %s' *`).split('\n'));

test('a script for a mount runs with --at, and with FSIO_AT', () => {
  const base = makeXfs(join(dir, 'base.img'));
  const script = join(dir, 'script.sh');
  writeFileSync(script, SCRIPT);
  const theirs = copyImage(base, join(dir, 'theirs.img'));
  const wanted = withMount(theirs, (at) => {
    const outcome = run('bash', [script], { env: { DIR: at, XFS_IO_PROG: 'xfs_io' } });
    return [outcome.stdout, outcome.stderr].map((text) => comparable(text, at));
  });
  const stand = join(dir, 'mnt');
  mkdirSync(stand);
  for (const way of ['--at', 'FSIO_AT']) {
    const ours = copyImage(base, join(dir, `ours${way}.img`));
    const wrapper = join(dir, `wrapper${way}.sh`);
    const option = way === '--at' ? `--at ${stand}=${ours}` : '';
    writeFileSync(wrapper, `#!/bin/sh\nexec ${process.execPath} ${program} ${option} "$@"\n`);
    chmodSync(wrapper, 0o755);
    const env = {
      DIR: stand,
      XFS_IO_PROG: wrapper,
      ...(way === '--at' ? {} : { FSIO_AT: `/elsewhere=none.img,${stand}=${ours}` }),
    };
    const outcome = run('bash', [script], { env });
    const got = [outcome.stdout, outcome.stderr].map((text) => comparable(text, stand));
    for (const i of [0, 1]) {
      const steady = (lines: readonly string[] = []) =>
        lines.filter((line) => !/^stat\.blocks|^fsxattr\.nextents/.test(line));
      assert.is(firstDifference(steady(got[i]), steady(wanted[i])), null, way);
    }
    assert.equal(repairComplaints(ours), []);
    assert.is(firstDifference(sums(ours), sums(theirs)), null);
  }
});

/** Much of what chance and the clock have a part in. */
const CHANGES = `# names, space, attributes
mkdir /d /d/e
open -f /d/f
pwrite -R -b 4k 0 200k
falloc 1m 64k
fsync
cp --reflink /d/f /d/g
open /d/g
pwrite -S 0x41 5000 3000
fpunch 64k 16k
attr set user.note hello /d/g
attr -e base64 set user.data AAECAwQFBgc= /d/f
symlink f /d/l
mknod /d/n c 1 3
ln /d/f /d/e/h
mv /d/g /d/e/g
rm /d/f
truncate 100k
touch /d/e/t
shutdown
`;

test('same image, same commands, same bytes', () => {
  const base = makeXfs(join(dir, 'same.img'), { args: ['-m', 'rmapbt=1'] });
  const script = join(dir, 'changes.fsio');
  writeFileSync(script, CHANGES.replace('shutdown\n', ''));
  const hash = (options: readonly string[], env: Record<string, string> = {}): bigint => {
    const image = copyImage(base, join(dir, 'run.img'));
    const outcome = run(process.execPath, [program, ...options, '-c', `source ${script}`, image], { env });
    assert.is(`${outcome.status} ${outcome.stderr}`, '0 ');
    assert.equal(repairComplaints(image), []);
    return imageDigest(image);
  };
  const first = hash(['--time', '1700000000.25', '--seed', '7']);
  run('sleep', ['1.1']);
  assert.is(hash(['--time', '1700000000.25', '--seed', '7']), first);
  assert.is(hash(['--seed', '7'], { SOURCE_DATE_EPOCH: '1700000000' }), hash(['--time', '1700000000', '--seed', '7']));
  assert.is.not(hash(['--time', '1700000000.25', '--seed', '8']), first);
});

test('source, comments, quit; cmp, cp and sums', () => {
  const image = makeXfs(join(dir, 'words.img'));
  const inner = join(dir, 'inner.fsio');
  writeFileSync(inner, 'open -f /b\n  # a comment\n\npwrite -q -S 0x62 0 5000\nquit\npwrite 0 1');
  const outer = join(dir, 'outer.fsio');
  writeFileSync(outer, `# first\nopen -f /a\npwrite -q -S 0x61 0 5000\nsource ${inner}\nnonsense\n`);
  const scripted = fsio([image], `source ${outer}\nnonsense\n`);
  assert.equal([scripted.status, scripted.stdout, scripted.stderr], [0, '', '']);
  const missing = fsio(['-c', 'source /nonexistent/file', image]);
  assert.is(missing.status, 1);
  assert.match(missing.stderr, /^\/nonexistent\/file: No such file or directory/);
  const loop = join(dir, 'loop.fsio');
  writeFileSync(loop, `source ${loop}\n`);
  assert.match(fsio(['-c', `source ${loop}`, image]).stderr, /too many scripts/);
  const say = (...commands: string[]) => fsio([...commands.flatMap((command) => ['-c', command]), image]);
  assert.equal([say('cmp /a /b').status, say('cmp /a /b').stdout], [1, '/a /b differ: byte 1, line 1\n']);
  assert.equal([say('cp /a /c', 'cmp /a /c').status, say('cmp -s /a /b').stdout], [0, '']);
  assert.is(say('open /c', 'pwrite -q 5000 1', 'cmp /a /c').stderr, 'cmp: EOF on /a after byte 5000\n');
  assert.is(say('cp --reflink=always /a /d', 'cp --reflink=never /a /e', 'mkdir /dir', 'cp /a /b /dir').status, 0);
  assert.match(say('cp /a /a').stderr, /are the same file/);
  assert.match(say('open /d', 'fiemap -v').stdout, /0x2001/);
  assert.not.match(say('open /e', 'fiemap -v').stdout, /0x2001/);
  const lines = (...names: string[]) =>
    withMount(image, (at) =>
      names
        .map((name) => must('sh', '-c', `cd ${at} && ${name} a b dir/b`))
        .join('')
        .replace(/ {2}/g, '  /'),
    );
  assert.is(
    say('md5sum /a /b /dir/b', 'sha1sum /a /b /dir/b', 'sum -a sha256 /a /b /dir/b').stdout,
    lines('md5sum', 'sha1sum', 'sha256sum'),
  );
  assert.equal(repairComplaints(image), []);
});

test('a script of very many lines goes on as it began, and can still use what it has not used before', () => {
  const image = makeXfs(join(dir, 'long.img'));
  const files = Array.from({ length: 400 }, (_, i) => [`open -f /f${i}`, 'pwrite -q 0 1000', 'close']).flat();
  const rest = ['open -f /last', 'reflink -q /f7', 'fiemap', 'attr set user.name value', 'mkdir /made', 'fsync'];
  const { status, stdout, stderr } = fsio([image], `${[...files, ...rest].join('\n')}\n`);
  assert.is(stderr, '');
  assert.is(status, 0);
  assert.match(stdout, /\t0: \[0\.\.7\]: \d+\.\.\d+\n/);
  assert.equal(repairComplaints(image), []);
  const names = withMount(image, (at) => must('ls', at).split('\n'));
  assert.is(names.filter((name) => /^f\d+$/.test(name)).length, 400);
  assert.ok(names.includes('made'));
});

test.run();
