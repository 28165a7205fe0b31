// time limit: 300 s
/** Images behind real NBD servers: qemu-nbd (raw, qcow2) and nbdkit, on Unix sockets and TCP, also killed in the middle. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { fsio, missingFsio } from '../harness/fsio.ts';
import { unpackImage } from '../harness/images.ts';
import { missingJudges, must, type Outcome, repairComplaints, run, withMount } from '../harness/kernel.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';

const servers = ['qemu-nbd', 'qemu-img', 'nbdkit'].filter((name) => run('which', [name]).status !== 0);
const missing = missingJudges() ?? missingFsio() ?? (servers.length === 0 ? null : `needs ${servers.join(', ')}`);
const test = gatedSuite('nbd', missing);

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Starts a server and waits until it takes connections. */
async function serve(program: string, args: readonly string[], place: string | number): Promise<ChildProcess> {
  const child = spawn(program, args, { stdio: 'ignore' });
  running.add(child);
  child.on('exit', () => running.delete(child));
  for (let i = 0; i < 200; i++) {
    if (child.exitCode !== null) throw new Error(`${program} ${args.join(' ')} ended with ${child.exitCode}`);
    if (typeof place === 'string' ? existsSync(place) : await answers(place)) return child;
    await pause(50);
  }
  throw new Error(`${program} does not listen`);
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

function stop(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once('exit', () => resolve());
    child.kill(signal);
  });
}

/** fsio with a script while this process goes on; `after` waits until it complained so often. */
function fsioMeanwhile(
  args: readonly string[],
  script: string,
): { done: Promise<Outcome>; after(lines: number): Promise<void> } {
  const program = process.env.FSIO_PROGRAM ?? join(process.cwd(), 'dist', 'fsio.js');
  const child = spawn(process.execPath, [program, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
  running.add(child);
  child.stdin.end(script);
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => (stdout += chunk));
  child.stderr.on('data', (chunk) => (stderr += chunk));
  const done = new Promise<Outcome>((resolve) =>
    child.on('close', (status) => {
      running.delete(child);
      resolve({ status: status ?? 128, stdout, stderr });
    }),
  );
  const after = async (lines: number) => {
    while (running.has(child) && stderr.split('\n').length <= lines) await pause(10);
  };
  return { done, after };
}

/** Reads what is there, changes it, and asks the judges. */
async function useAndJudge(url: string, image: string, server: ChildProcess): Promise<void> {
  // The server has the image open for writing: another copy says what is in it.
  const direct = fsio(['-r', '--json', '-c', 'manifest /', unpackImage('xfs-default', `${image}.copy`)]).stdout;
  const read = fsio(['-r', '--json', '-c', 'manifest /', url]);
  assert.is(read.status, 0, read.stderr);
  assert.is(read.stdout.length, direct.length);
  assert.ok(read.stdout === direct, 'the same manifest as from the file');
  const wrote = fsio([
    ...['-f', '-c', 'pwrite -q -S 0x61 0 6m', '-c', 'fsync', '-c', 'pwrite -q -S 0x62 1000 100000'],
    ...['-c', 'reflink /mib 0 0 1m', '-c', 'truncate 5m', `${url}:/new`],
  ]);
  assert.is(wrote.status, 0, wrote.stderr + wrote.stdout);
  await stop(server);
}

function judge(image: string): void {
  assert.equal(repairComplaints(image), []);
  withMount(image, (dir) => {
    must('cmp', '-n', '1048576', join(dir, 'mib'), join(dir, 'new'));
    assert.is(must('sh', '-c', `tail -c +1048577 ${join(dir, 'new')} | sha256sum`), EXPECTED);
  });
}

// 4 MiB of a.
const EXPECTED = must('sh', '-c', "head -c 4194304 /dev/zero | tr '\\0' a | sha256sum");

function fresh(): { dir: string; image: string; socket: string } {
  const dir = scratch(true);
  return { dir, image: unpackImage('xfs-default', join(dir, 'a.img')), socket: join(dir, 's') };
}

test.after.each(async () => {
  for (const child of [...running]) await stop(child, 'SIGKILL');
});

test('qemu-nbd, raw, Unix socket', async () => {
  const { image, socket } = fresh();
  const server = await serve('qemu-nbd', ['-f', 'raw', '-x', 'a disk', '-t', '-e', '4', '-k', socket, image], socket);
  await useAndJudge(`nbd+unix:///a%20disk?socket=${socket}`, image, server);
  judge(image);
});

test('qemu-nbd, raw, TCP', async () => {
  const { image } = fresh();
  const port = await freePort();
  const server = await serve('qemu-nbd', ['-f', 'raw', '-t', '-b', '127.0.0.1', '-p', String(port), image], port);
  await useAndJudge(`nbd://127.0.0.1:${port}/`, image, server);
  judge(image);
});

test('qemu-nbd, qcow2', async () => {
  const { dir, image, socket } = fresh();
  const qcow = join(dir, 'a.qcow2');
  must('qemu-img', 'convert', '-O', 'qcow2', image, qcow);
  const server = await serve('qemu-nbd', ['-f', 'qcow2', '-t', '-k', socket, qcow], socket);
  await useAndJudge(`nbd+unix:///?socket=${socket}`, image, server);
  must('qemu-img', 'check', '-q', qcow);
  must('qemu-img', 'convert', '-O', 'raw', qcow, image);
  judge(image);
});

for (const [what, args] of [
  ['as it is', ['file']],
  ['without structured replies', ['--no-sr', 'file']],
  [
    'that takes only blocks of 4096 bytes',
    [
      '--filter=blocksize-policy',
      'file',
      'blocksize-minimum=4096',
      'blocksize-preferred=4096',
      'blocksize-maximum=65536',
      'blocksize-error-policy=error',
    ],
  ],
  ['that answers out of order', ['--filter=noparallel', '--filter=delay', 'file', 'rdelay=1ms', 'wdelay=2ms']],
  ['without flush', ['--filter=fua', 'file', 'fuamode=force']],
] as const) {
  test(`nbdkit, ${what}`, async () => {
    const { image, socket } = fresh();
    const [plain, settings] = [
      args.filter((word) => !word.includes('=') || word.startsWith('--')),
      args.filter((word) => word.includes('=') && !word.startsWith('--')),
    ];
    const server = await serve('nbdkit', ['-f', '-U', socket, ...plain, image, ...settings], socket);
    await useAndJudge(`nbd+unix:///?socket=${socket}`, image, server);
    judge(image);
  });
}

test('a read-only export is read, and not written', async () => {
  const { image, socket } = fresh();
  const server = await serve('qemu-nbd', ['-r', '-f', 'raw', '-t', '-k', socket, image], socket);
  const url = `nbd+unix:///?socket=${socket}`;
  assert.is(fsio(['-c', 'pread -q 0 10', `${url}:/tiny`]).status, 0);
  const refused = fsio(['--strict', '-c', 'pwrite 0 10', `${url}:/tiny`]);
  assert.is(refused.status, 1);
  assert.match(refused.stderr, 'Read-only file system: the server exports it read-only');
  await stop(server);
});

test('what a server refuses is said', async () => {
  const { image, socket } = fresh();
  const server = await serve('qemu-nbd', ['-f', 'raw', '-x', 'a', '-t', '-e', '4', '-k', socket, image], socket);
  assert.match(fsio(['-c', 'ls', `nbd+unix:///b?socket=${socket}`]).stderr, 'there is no export of this name');
  assert.match(fsio(['-c', 'ls', 'nbds://localhost/b']).stderr, 'TLS is not supported');
  assert.match(fsio(['-c', 'ls', 'nbd+unix:///b']).stderr, 'expected nbd+unix:///EXPORT?socket=PATH');
  const port = await freePort();
  assert.match(fsio(['-c', 'ls', `nbd://127.0.0.1:${port}/`]).stderr, 'ECONNREFUSED');
  await stop(server);
  const old = join(scratch(), 'old');
  const oldServer = await serve('nbdkit', ['-f', '--oldstyle', '-U', old, 'file', image], old);
  assert.match(fsio(['-c', 'ls', `nbd+unix:///?socket=${old}`]).stderr, 'old handshake');
  await stop(oldServer);
});

test('an error of the server on a write is an error of the command', async () => {
  const { dir, image, socket } = fresh();
  const trigger = join(dir, 'fail');
  const args = [
    '-f',
    '-U',
    socket,
    '--filter=error',
    'file',
    image,
    'error-pwrite=ENOSPC',
    'error-pwrite-rate=100%',
    `error-pwrite-file=${trigger}`,
  ];
  const server = await serve('nbdkit', args, socket);
  must('touch', trigger);
  const failed = fsio(['-f', '--strict', '-c', 'pwrite -q 0 1m', '-c', 'fsync', `nbd+unix:///?socket=${socket}:/x`]);
  assert.is(failed.status, 1);
  assert.match(failed.stderr, 'No space left on device');
  rmSync(trigger);
  await stop(server);
  withMount(image, (mount) => assert.is(must('cat', join(mount, 'tiny')).length, 12));
  assert.equal(repairComplaints(image), []);
});

const ROUNDS = 1500;

/** A script that takes a while: writes of 64 KiB all over 16 MiB, every fifth with fsync; a complaint each, which is out at once. */
function longWork(): string {
  const lines: string[] = ['open -f /work'];
  for (let i = 0; i < ROUNDS; i++) {
    lines.push(`pwrite -qS ${letterOf(i)} ${((i * 7) % 256) * 65536} 64k`, 'mark');
    if (i % 5 === 4) lines.push('fsync');
  }
  return `${lines.join('\n')}\n`;
}

const letterOf = (i: number) => 0x20 + (i % 90);

function checkWork(dir: string): void {
  const expected = Buffer.alloc(256 * 65536);
  for (let i = 0; i < ROUNDS; i++) {
    const at = ((i * 7) % 256) * 65536;
    expected.fill(letterOf(i), at, at + 65536);
  }
  assert.ok(readFileSync(join(dir, 'work')).equals(expected), 'all that was written is there');
}

// The cache keeps writes in the server's memory until a flush: killed, it loses them, though it had answered.
for (const [what, program, args] of [
  ['qemu-nbd', 'qemu-nbd', (image: string, socket: string) => ['-f', 'raw', '-t', '-k', socket, image]],
  [
    'an nbdkit that loses what was not flushed',
    'nbdkit',
    (image: string, socket: string) => ['-f', '-U', socket, '--filter=cache', 'file', image, 'cache=writeback'],
  ],
] as const) {
  test(`${what} killed in the middle and started again: nothing is lost`, async () => {
    const { image, socket } = fresh();
    const begin = async () => {
      rmSync(socket, { force: true });
      return serve(program, args(image, socket), socket);
    };
    let server = await begin();
    const work = fsioMeanwhile([`nbd+unix:///?socket=${socket}`], longWork());
    for (let i = 1; i <= 4; i++) {
      await work.after((i * ROUNDS) / 5);
      assert.is(running.size, 2, 'killed in the middle');
      await stop(server, 'SIGKILL');
      await pause(100);
      server = await begin();
    }
    const outcome = await work.done;
    assert.is(outcome.status, 0, outcome.stderr);
    await stop(server);
    assert.equal(repairComplaints(image), []);
    withMount(image, (dir) => checkWork(dir));
  });
}

test('a server that does not come back: a clear error, and Linux recovers the image', async () => {
  const { image, socket } = fresh();
  const server = await serve('qemu-nbd', ['-f', 'raw', '-t', '-k', socket, image], socket);
  const url = `nbd+unix:///?socket=${socket}&reconnect=1`;
  const work = fsioMeanwhile([url], longWork());
  await work.after(ROUNDS / 3);
  await stop(server, 'SIGKILL');
  const outcome = await work.done;
  assert.is(outcome.status, 1);
  assert.match(outcome.stderr, 'the connection broke');
  assert.match(outcome.stderr, 'is not back');
  withMount(image, (dir) => assert.is(must('cat', join(dir, 'tiny')).length, 12));
  assert.equal(repairComplaints(image), []);
});

test.run();
