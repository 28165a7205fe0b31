// time limit: 200 s
/** --overlay on a real image: it stays as it was, the next run goes on, commit makes it what Linux accepts. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { fsio, missingFsio } from '../harness/fsio.ts';
import { imageDigest, unpackImage } from '../harness/images.ts';
import { missingJudges, must, repairComplaints, withMount } from '../harness/kernel.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';

const test = gatedSuite('overlay', missingJudges() ?? missingFsio());

interface Place {
  readonly image: string;
  readonly file: string;
  /** Throws if the image is not what it was. */
  untouched(): void;
}

function place(): Place {
  const dir = scratch(true);
  const image = unpackImage('xfs-default', join(dir, 'a.img'));
  const fingerprint = () => {
    const { mtimeNs, ctimeNs } = statSync(image, { bigint: true });
    return `${imageDigest(image)} ${mtimeNs} ${ctimeNs}`;
  };
  const before = fingerprint();
  return { image, file: join(dir, 'changes'), untouched: () => assert.is(fingerprint(), before) };
}

const WRITES = ['-c', 'pwrite -q -S 0x61 0 1m', '-c', 'reflink /mib 0 1m 1m', '-c', 'pwrite -q -S 0x62 1500000 5000'];

test('changes go to the file, and the next run sees them; commit brings them to the image', () => {
  const { image, file, untouched } = place();
  const looked = fsio(['--overlay', file, '-c', 'stat -r', `${image}:/tiny`]);
  assert.is(looked.status, 0, looked.stderr);
  assert.not.ok(existsSync(file), 'looking makes no file');
  const wrote = fsio(['--overlay', file, '-f', ...WRITES, `${image}:/new`]);
  assert.is(wrote.status, 0, wrote.stderr + wrote.stdout);
  const more = fsio(['--overlay', file, '-c', 'pwrite -q -S 0x63 100 100', '-c', 'mkdir /made', `${image}:/new`]);
  assert.is(more.status, 0, more.stderr + more.stdout);
  untouched();
  assert.match(fsio(['-r', '-c', 'stat', `${image}:/new`]).stderr, 'No such file or directory');
  const sum = fsio(['-r', '--overlay', file, '--json', '-c', 'manifest /', image]).stdout;
  untouched();

  const committed = fsio(['--overlay', file, '-c', 'commit', image]);
  assert.is(committed.status, 0, committed.stderr);
  assert.match(committed.stdout, /^\d+ bytes written to the image$/m);
  assert.not.ok(existsSync(file));
  assert.is(fsio(['-r', '--json', '-c', 'manifest /', image]).stdout, sum);
  assert.equal(repairComplaints(image), []);
  withMount(image, (dir) => {
    const bytes = readFileSync(join(dir, 'new'));
    assert.is(bytes.subarray(100, 200).toString(), 'c'.repeat(100));
    assert.is(bytes.subarray(1_500_000, 1_505_000).toString(), 'b'.repeat(5000));
    assert.ok(statSync(join(dir, 'made')).isDirectory());
  });
});

test('in one session: commit and discard with files open; what is discarded was never there', () => {
  const { image, file } = place();
  const script = [
    ...['open -f /kept', 'pwrite -q -S 0x61 0 64k', 'commit', 'pwrite -q -S 0x62 0 64k', 'open -f /lost'],
    ...['pwrite -q 0 4k', 'discard', 'print', 'pread -v 0 16'],
  ];
  const run = fsio(['--overlay', file, image], `${script.join('\n')}\n`);
  assert.is(run.stderr, '');
  assert.match(run.stdout, 'bytes written to the image');
  assert.match(run.stdout, '/lost is not there any more: closed');
  assert.match(run.stdout, '61 61 61 61');
  assert.not.match(run.stdout, '62 62');
  assert.not.ok(existsSync(file));
  assert.equal(repairComplaints(image), []);
  withMount(image, (dir) => assert.is(readFileSync(join(dir, 'kept'), 'latin1'), 'a'.repeat(65536)));
});

test('without an overlay, and where one does not fit, it is said', () => {
  const { image, file } = place();
  assert.match(fsio(['-c', 'commit', image]).stderr, 'changes go to no overlay');
  assert.match(fsio(['-c', 'undo', image]).stderr, 'no going back');
  fsio(['--overlay', file, '-f', ...WRITES, `${image}:/new`]);
  fsio(['-f', '-c', 'pwrite -q 0 1', `${image}:/other`]);
  const stale = fsio(['--overlay', file, '-c', 'ls', image]);
  assert.is(stale.status, 1);
  assert.match(stale.stderr, 'not the image that');
});

test('kill -9 at any time: the next run finds what was flushed, and a consistent image', async () => {
  const { image, file, untouched } = place();
  const program = process.env.FSIO_PROGRAM ?? join(process.cwd(), 'dist', 'fsio.js');
  const lines: string[] = ['open -f /k'];
  for (let i = 0; i < 3000; i++)
    lines.push(`pwrite -q -S ${i % 256} ${(i % 300) * 4096} 4k`, i % 3 === 0 ? 'fsync' : 'mark');
  for (const wait of [20, 200, 400, 900]) {
    const child = spawn(process.execPath, [program, '--overlay', file, image], { stdio: ['pipe', 'ignore', 'pipe'] });
    let complaints = 0;
    child.stderr.on('data', (chunk) => {
      complaints += String(chunk).split('\n').length - 1;
      if (complaints >= wait) child.kill('SIGKILL');
    });
    child.stdin.on('error', () => {});
    child.stdin.end(lines.join('\n'));
    await new Promise((resolve) => child.on('close', resolve));
    assert.is(child.signalCode, 'SIGKILL');
    const seen = fsio(['--strict', '--overlay', file, '-c', 'stat -r', `${image}:/k`]);
    assert.is(seen.status, 0, seen.stderr);
  }
  untouched();
  assert.is(fsio(['--overlay', file, '-c', 'commit', image]).status, 0);
  withMount(image, (dir) => assert.ok(statSync(join(dir, 'k')).size > 0));
  assert.equal(repairComplaints(image), []);
});

test('a commit that is cut off is done again', async () => {
  const { image, file } = place();
  const big = fsio(['--overlay', file, '-f', '-c', 'pwrite -q -S 0x61 0 200m', `${image}:/big`]);
  assert.is(big.status, 0, big.stderr);
  const program = process.env.FSIO_PROGRAM ?? join(process.cwd(), 'dist', 'fsio.js');
  const before = statSync(image).mtimeMs;
  const child = spawn(process.execPath, [program, '--overlay', file, '-c', 'commit', image], { stdio: 'ignore' });
  while (statSync(image).mtimeMs === before && child.exitCode === null) await new Promise((r) => setTimeout(r, 2));
  child.kill('SIGKILL');
  await new Promise((resolve) => child.on('close', resolve));
  assert.is(child.signalCode, 'SIGKILL');
  const again = fsio(['--overlay', file, '-c', 'commit', image]);
  assert.is(again.status, 0, again.stderr);
  assert.match(again.stderr, 'was cut off; commit again');
  assert.equal(repairComplaints(image), []);
  withMount(image, (dir) => {
    const sum = spawnSync('sh', ['-c', `head -c 209715200 /dev/zero | tr '\\0' a | cmp - ${join(dir, 'big')}`]);
    assert.is(sum.status, 0, must('ls', '-l', dir));
  });
});

test.run();
