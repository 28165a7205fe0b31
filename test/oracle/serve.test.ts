// time limit: 200 s
/** fsio serve: many clients, one image. No update is lost, kill -9 keeps what was fsynced, Linux accepts what is left. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { fsio, missingFsio } from '../harness/fsio.ts';
import { unpackImage } from '../harness/images.ts';
import { missingJudges, repairComplaints, withMount } from '../harness/kernel.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';

const test = gatedSuite('serve', missingJudges() ?? missingFsio());
const program = process.env.FSIO_PROGRAM ?? join(process.cwd(), 'dist', 'fsio.js');
const SECONDS = Number(process.env.FSIO_LONG ?? 1) * 10;
const CLIENTS = 8;

interface Server {
  readonly socket: string;
  readonly child: ChildProcess;
  readonly stderr: () => string;
}

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});
test.after.each(() => {
  for (const child of running) child.kill('SIGKILL');
});

async function start(image: string, ...options: string[]): Promise<Server> {
  const socket = join(scratch(), 'sock');
  const child = spawn(process.execPath, [program, 'serve', socket, ...options, image], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  running.add(child);
  child.on('exit', () => running.delete(child));
  let stderr = '';
  child.stderr?.on('data', (chunk) => {
    stderr += chunk;
  });
  while (!stderr.includes('serving on')) {
    if (child.exitCode !== null) throw new Error(stderr);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return { socket, child, stderr: () => stderr };
}

function end({ child }: Server, signal: NodeJS.Signals): Promise<number | null> {
  return new Promise((resolve) => {
    child.once('exit', (code) => resolve(code));
    child.kill(signal);
  });
}

interface Answer {
  readonly out: string;
  readonly err: string;
  readonly status: number;
}

/** A client that asks one thing at a time, in frames. */
class Client {
  private readonly socket: Socket;
  private data = Buffer.alloc(0);
  private wake: () => void = () => {};
  closed = false;

  constructor(path: string) {
    this.socket = connect(path);
    this.socket.on('data', (chunk: Buffer) => {
      this.data = Buffer.concat([this.data, chunk]);
      this.wake();
    });
    this.socket.on('error', () => {});
    this.socket.on('close', () => {
      this.closed = true;
      this.wake();
    });
  }

  async ask(line: string): Promise<Answer> {
    this.socket.write(`${line}\n`);
    const answer = { out: '', err: '', status: -1 };
    for (;;) {
      const head = (await this.until(() => this.data.indexOf(10) >= 0)).split(' ');
      if (head[0] === '!done') return { ...answer, status: Number(head[1]) };
      const length = Number(head[1]);
      await this.wait(() => this.data.length > length);
      const text = this.data.toString('latin1', 0, length);
      this.data = this.data.subarray(length + 1);
      if (head[0] === '!out') answer.out += text;
      else answer.err += text;
    }
  }

  end(): void {
    this.socket.end();
  }

  die(lastWords: string): void {
    this.socket.write(lastWords);
    this.socket.destroy();
  }

  private async until(ready: () => boolean): Promise<string> {
    await this.wait(ready);
    const at = this.data.indexOf(10);
    const line = this.data.toString('latin1', 0, at);
    this.data = this.data.subarray(at + 1);
    return line;
  }

  private async wait(ready: () => boolean): Promise<void> {
    while (!ready()) {
      if (this.closed) throw new Error('the server is gone');
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
  }
}

async function session(server: Server, ...lines: string[]): Promise<Client> {
  const client = new Client(server.socket);
  for (const line of ['!frames', ...lines]) assert.is((await client.ask(line)).status, 0, line);
  return client;
}

const counterIn = (dump: string): number =>
  Number.parseInt(/ {2}([0-9.]{8})$/m.exec(dump)?.[1]?.replace(/\./g, '') ?? '0', 10);

/** Reads the number in /counter, adds one, writes it back; returns the number. */
async function increment(client: Client): Promise<number> {
  await client.ask('!lock');
  const next = counterIn((await client.ask('pread -v 0 8')).out) + 1;
  for (const [i, digit] of [...String(next).padStart(8, '0')].entries())
    await client.ask(`pwrite -q -S ${digit.charCodeAt(0)} ${i} 1`);
  await client.ask('!unlock');
  return next;
}

test('8 clients count in one file and write files of their own: no update is lost', async () => {
  const image = unpackImage('xfs-default', join(scratch(true), 'a.img'));
  const server = await start(image);
  const first = await session(server, 'open -f /counter', 'pwrite -q -S 0x30 0 8');
  const until = Date.now() + SECONDS * 1000;
  const rounds = await Promise.all(
    Array.from({ length: CLIENTS }, async (_, i) => {
      const client = await session(server, `open -f /own${i}`, 'open /counter');
      let count = 0;
      for (; Date.now() < until; count++) {
        await increment(client);
        await client.ask('file 0');
        await client.ask(`pwrite -q -S ${0x41 + i} ${count * 100} 100`);
        if (count % 7 === 0) await client.ask(`reflink /own${i} 0 ${1 << 20} 0`);
        await client.ask('file 1');
      }
      client.end();
      return count;
    }),
  );
  const total = rounds.reduce((sum, count) => sum + count, 0);
  assert.ok(total > CLIENTS * SECONDS, `${total} rounds`);
  assert.is(counterIn((await first.ask('pread -v 0 8')).out), total);
  first.end();
  assert.is(await end(server, 'SIGTERM'), 0, server.stderr());
  assert.equal(repairComplaints(image), []);
  withMount(image, (dir) => {
    assert.is(Number(readFileSync(join(dir, 'counter'), 'latin1')), total);
    for (const [i, count] of rounds.entries()) {
      const bytes = readFileSync(join(dir, `own${i}`), 'latin1').slice(0, count * 100);
      assert.is(bytes, String.fromCharCode(0x41 + i).repeat(count * 100));
    }
  });
  assert.not.ok(existsSync(server.socket));
});

test('kill -9 in the middle: what was fsynced is there', async () => {
  const image = unpackImage('xfs-default', join(scratch(true), 'a.img'));
  const server = await start(image);
  const sure: number[] = [];
  const work = Array.from({ length: 4 }, async (_, i) => {
    const client = await session(server, `open -f /f${i}`);
    try {
      for (let count = 1; ; count++) {
        await client.ask(`pwrite -q -S 0x61 ${(count - 1) * 1000} 1000`);
        await client.ask('fsync');
        sure[i] = count;
      }
    } catch {
      // The server is gone.
    }
  });
  await new Promise((resolve) => setTimeout(resolve, 1500));
  await end(server, 'SIGKILL');
  await Promise.all(work);
  withMount(image, (dir) => {
    for (const [i, count] of sure.entries())
      assert.ok(
        readFileSync(join(dir, `f${i}`), 'latin1').startsWith('a'.repeat(count * 1000)),
        `${count} writes of ${i}`,
      );
  });
  assert.equal(repairComplaints(image), []);
  // The socket that it left is taken over.
  const again = await start(image);
  assert.is(await end(again, 'SIGTERM'), 0);
});

test('plain lines, several images, what cannot be, and other processes kept out', async () => {
  const dir = scratch(true);
  const image = unpackImage('xfs-default', join(dir, 'a.img'));
  const other = unpackImage('xfs-rmap-1k', join(dir, 'b.img'));
  const server = await start(image);
  const plain = await new Promise<string>((resolve) => {
    const socket = connect(server.socket);
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.on('close', () => resolve(text));
    socket.end(`open /tiny\npread -v 0 5\nnonsense\n!image ${other}\nopen -f /x\npwrite -q 0 4k\n!odd\ncommit\n`);
  });
  assert.match(plain, '00000000:  68 65 6c 6c 6f  hello');
  assert.match(plain, 'command "nonsense" not found');
  assert.match(plain, 'the server does not know !odd');
  assert.match(plain, 'changes go to no overlay');
  assert.match(fsio(['-c', 'pwrite 0 1', `${other}:/x`]).stderr, 'open for writing in process');
  const asked = fsio([
    '--connect',
    server.socket,
    '-f',
    '-c',
    'pwrite -q -S 0x61 0 10',
    '-c',
    'pread -v 0 3',
    `${image}:/y`,
  ]);
  assert.is(asked.status, 0, asked.stderr);
  assert.match(asked.stdout, '61 61 61  aaa');
  const failed = fsio(['--connect', server.socket, '-c', 'pread 0 3', `${image}:/none`]);
  assert.is(failed.status, 1);
  assert.match(failed.stderr, 'No such file or directory');
  const second = fsio(['serve', server.socket, image]);
  assert.match(second.stderr, /somebody listens there|in use|open for writing/);
  assert.is(await end(server, 'SIGTERM'), 0, server.stderr());
  assert.equal(repairComplaints(other), []);
});

test('a client that dies while it writes a line has said nothing; a script may end without a newline', async () => {
  const image = unpackImage('xfs-default', join(scratch(true), 'a.img'));
  const server = await start(image);
  const client = await session(server, 'open -f /cut', 'pwrite -q -S 0x61 0 100');
  client.die('truncate 1');
  const sent = await new Promise<string>((resolve) => {
    const socket = connect(server.socket);
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.on('close', () => resolve(text));
    socket.end('open /cut\npread 0 3');
  });
  assert.match(sent, 'read 3/3 bytes');
  const other = await session(server, 'open /cut');
  assert.match((await other.ask('stat -r')).out, 'stat.size = 100');
  other.end();
  assert.is(await end(server, 'SIGTERM'), 0, server.stderr());
});

test('who does not read its answers waits; the others do not, and memory holds one answer', async () => {
  const image = unpackImage('xfs-default', join(scratch(true), 'a.img'));
  const server = await start(image);
  const other = await session(server, 'open -f /long', 'pwrite -q 0 1m');
  const deaf = connect(server.socket);
  deaf.pause();
  deaf.write(`open /long\n${'pread -v 0 1m\n'.repeat(60)}`);
  for (let i = 0; i < 100; i++) assert.is((await other.ask('stat -r')).status, 0);
  const resident = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.child.pid}/status`, 'latin1'))?.[1]);
  assert.ok(resident() < 250_000, `${resident()} KiB`);
  const text = await new Promise<string>((resolve) => {
    let said = '';
    deaf.setEncoding('latin1');
    deaf.on('data', (chunk) => {
      said += chunk;
    });
    deaf.on('close', () => resolve(said));
    deaf.resume();
    deaf.end();
  });
  assert.is(text.split('read 1048576/1048576 bytes').length, 61);
  other.end();
  assert.is(await end(server, 'SIGTERM'), 0, server.stderr());
});

test('under --time a pause changes no byte', async () => {
  const dir = scratch(true);
  const hashes = [];
  for (const pause of [0, 2500]) {
    const image = unpackImage('xfs-default', join(dir, `${pause}.img`));
    const server = await start(image, '--time', '1700000000', '--seed', '5');
    const client = await session(server, 'open -f /one', 'pwrite -q 0 100k');
    await new Promise((resolve) => setTimeout(resolve, pause));
    for (const line of ['open -f /two', 'pwrite -q 0 100k', 'file 0', 'pwrite -q 100k 100k']) await client.ask(line);
    client.end();
    assert.is(await end(server, 'SIGTERM'), 0, server.stderr());
    hashes.push(createHash('sha256').update(readFileSync(image)).digest('hex'));
  }
  assert.is(hashes[0], hashes[1]);
});

test('100 words over the socket cost what 100 calls and a socket cost', async () => {
  const image = unpackImage('xfs-default', join(scratch(true), 'a.img'));
  const server = await start(image);
  const client = await session(server, 'open /tiny');
  for (let i = 0; i < 100; i++) await client.ask('stat -r');
  const begin = performance.now();
  for (let i = 0; i < 100; i++) await client.ask('stat -r');
  const milliseconds = performance.now() - begin;
  process.stdout.write(`# 100 words: ${milliseconds.toFixed(1)} ms\n`);
  assert.ok(milliseconds < 1000);
  client.end();
  await end(server, 'SIGTERM');
});

test.run();
