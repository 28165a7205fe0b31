/** Disks in forms of their own, made, converted and judged by QEMU's tools; and what is no disk image at all, named. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import * as assert from 'uvu/assert';
import { fsio, missingFsio } from '../harness/fsio.ts';
import { imageDigest, unpackImage } from '../harness/images.ts';
import { copyImage, missingJudges, must, repairComplaints, run } from '../harness/kernel.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';

const tools = ['qemu-nbd', 'qemu-img', 'qemu-io'].filter((name) => run('which', [name]).status !== 0);
const missing = missingJudges() ?? missingFsio() ?? (tools.length === 0 ? null : `needs ${tools.join(', ')}`);
const test = gatedSuite('disk forms', missing);

const MIB_SUM = '03b8bfd817bd9c6dbf3396118ba52643';

let unpacked: string | null = null;

/** The raw image, which no test changes. */
function raw(): string {
  unpacked ??= unpackImage('xfs-default', join(scratch(true), 'raw.img'));
  return unpacked;
}

function converted(form: string, from: string, ...options: string[]): string {
  const path = join(scratch(true), `disk.${form}`);
  must('qemu-img', 'convert', '-f', 'raw', '-O', form, ...options, from, path);
  return path;
}

/** What QEMU makes of the disk, as a raw image. */
function contents(path: string): string {
  const back = join(scratch(true), 'back.img');
  must('qemu-img', 'convert', '-O', 'raw', path, back);
  return back;
}

const ownServers = (): string[] => readdirSync(tmpdir()).filter((name) => name.startsWith('fsio-disk-'));

const FORMS: readonly (readonly [form: string, ...options: string[]])[] = [
  ['qcow2', '-c'],
  ['vmdk'],
  ['vhdx'],
  ['vdi'],
  ['vpc'],
];
for (const [form, ...options] of FORMS)
  test(`${form}: looking changes nothing, what is written QEMU finds`, () => {
    const path = converted(form, raw(), ...options);
    const before = [imageDigest(path), statSync(path).mtimeMs];
    const look = fsio(['-r', '-c', 'md5sum /mib', path]);
    assert.is(look.stderr, '');
    assert.is(look.stdout, `${MIB_SUM}  /mib\n`);
    assert.equal([imageDigest(path), statSync(path).mtimeMs], before);
    assert.equal(ownServers(), [], 'no server is left');
    if (form === 'vdi' || form === 'vpc') return;
    const change = fsio(['-c', 'pwrite -q -S 0x62 4097 100', '-c', 'md5sum', `${path}:/clone`]);
    assert.is(change.stderr, '');
    const back = contents(path);
    assert.equal(repairComplaints(back), []);
    assert.is(fsio(['-r', '-c', 'md5sum', `${back}:/clone`]).stdout.split(' ')[0], change.stdout.split(' ')[0]);
    if (form !== 'vmdk') must('qemu-img', 'check', path);
    assert.equal(ownServers(), [], 'no server is left');
  });

test('qcow2 over another image: changes go into it alone', () => {
  const below = copyImage(raw(), join(scratch(true), 'below.img'));
  const path = join(scratch(true), 'top.qcow2');
  must('qemu-img', 'create', '-q', '-f', 'qcow2', '-b', below, '-F', 'raw', path);
  const before = imageDigest(below);
  assert.is(fsio(['-f', '-c', 'pwrite -q 0 64k', `${path}:/new`]).stderr, '');
  assert.is(imageDigest(below), before);
  assert.equal(repairComplaints(contents(path)), []);
  rmSync(below);
  assert.match(fsio(['-r', '-c', 'ls', path]).stderr, /^fsio: [^\n]*No such file[^\n]*below\.img[^\n]*\n$/);
});

test('a disk that a virtual machine uses is refused; without QEMU the user learns what is needed', async () => {
  const path = converted('qcow2', raw());
  const socket = join(scratch(true), 'socket');
  const user = spawn('qemu-nbd', ['-t', '-k', socket, '-f', 'qcow2', path], { stdio: 'ignore' });
  try {
    while (!existsSync(socket)) await new Promise((resolve) => setTimeout(resolve, 20));
    const refused = fsio(['-r', '-c', 'ls', path]);
    assert.is(refused.status, 1);
    assert.match(refused.stderr, /busy: .*qemu-nbd/i);
  } finally {
    await ended(user);
  }
  const alone = run(process.execPath, ['dist/fsio.js', '-r', '-c', 'ls', path], { env: { PATH: '/nowhere' } });
  assert.match(alone.stderr, 'qemu-nbd, which does not run here');
});

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.once('exit', () => resolve());
    child.kill('SIGTERM');
  });
}

test('runs on one disk take turns, and a killed one leaves neither a server nor harm', async () => {
  const path = converted('qcow2', raw());
  const runs = Array.from({ length: 3 }, (_, i) =>
    spawned(['-f', '-c', `pwrite -q -S ${i + 1} 0 64k`, `${path}:/f${i}`]),
  );
  assert.equal(await Promise.all(runs.map(({ status }) => status)), [0, 0, 0]);
  const { child, status } = spawned([path]);
  child.stdin?.write('open -f /cut\npwrite -q 0 4m\nfsync\npwrite -q 4m 4m\nstat\n');
  await new Promise((resolve) => child.stdout?.once('data', resolve));
  child.kill('SIGKILL');
  await status;
  while (run('pgrep', ['-f', `qemu-nbd.*${path}`]).status === 0)
    await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(ownServers(), []);
  const after = fsio(['-r', '-c', 'ls -p /cut', '-c', 'md5sum /f0 /f1 /f2', path]);
  assert.is(after.stderr, '');
  assert.is(after.stdout.split('\n').length, 5);
  fsio(['-c', 'rm /f0', path]);
  assert.equal(repairComplaints(contents(path)), []);
});

function spawned(args: readonly string[]): { child: ChildProcess; status: Promise<number | null> } {
  const child = spawn(process.execPath, ['dist/fsio.js', ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  if (args.length > 1) child.stdin?.end();
  return { child, status: new Promise((resolve) => child.once('exit', (code) => resolve(code))) };
}

test('a damaged or encrypted disk is refused in one line', () => {
  const path = converted('qcow2', raw());
  truncateSync(path, 70_000);
  assert.match(fsio(['-r', '-c', 'ls', path]).stderr, /^fsio: [^\n]*\n$/);
  const locked = join(scratch(true), 'locked.qcow2');
  const secret = ['--object', 'secret,id=s,data=x', '-o', 'encrypt.format=luks,encrypt.key-secret=s'];
  must('qemu-img', 'create', '-q', '-f', 'qcow2', ...secret, locked, '16m');
  assert.match(fsio(['-r', '-c', 'ls', locked]).stderr, /^fsio: [^\n]*encrypt[^\n]*\n$/);
});

test('what is no disk image is named', () => {
  const said = (bytes: Uint8Array): string => {
    const path = join(scratch(true), 'thing');
    writeFileSync(path, bytes);
    return fsio(['-r', '-c', 'ls', path]).stderr;
  };
  assert.match(said(gzipSync(readFileSync(raw()).subarray(0, 65536))), 'compressed by gzip: unpack it first');
  assert.match(said(new Uint8Array(1 << 20)), 'begins with zeros');
  assert.match(said(new Uint8Array(0)), 'it is empty');
  const swap = join(scratch(true), 'swap');
  writeFileSync(swap, new Uint8Array(1 << 20), { mode: 0o600 });
  must('mkswap', swap);
  assert.match(fsio(['-r', '-c', 'ls', swap]).stderr, 'it is swap space');
});

test.run();
