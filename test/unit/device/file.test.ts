import { spawn } from 'node:child_process';
import {
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { deviceNumber } from '../../../core/device/device-number.ts';
import { openDevice } from '../../../core/device/open.ts';
import { type Errno, FsError } from '../../../core/errors.ts';
import { assertBytes } from '../../harness/assert-bytes.ts';
import { scratch } from '../../harness/scratch.ts';

const dir = scratch();

function image(name: string, bytes: Uint8Array | string): string {
  const path = join(dir, name);
  writeFileSync(path, bytes);
  return path;
}

function fails(code: Errno, act: () => unknown, text = /./): void {
  assert.throws(act, (error: unknown) => error instanceof FsError && error.code === code && text.test(error.message));
}

test('reading leaves bytes and mtime alone; writing needs enableWrites', () => {
  const path = image('plain', 'hello world');
  utimesSync(path, 1000, 1000);
  const device = openDevice(path);
  const got = new Uint8Array(5);
  device.read(6, got);
  assertBytes(got, Buffer.from('world'));
  assert.is(device.writable, false);
  fails('EROFS', () => device.write(0, got));
  assert.is(statSync(path).mtimeMs, 1_000_000);
  device.enableWrites?.();
  assert.is(statSync(path).mtimeMs, 1_000_000);
  device.write(0, Buffer.from('HE'));
  device.writev(2, [Buffer.from('L'), Buffer.from('LO')]);
  device.flush();
  device.close();
  assert.is(readFileSync(path, 'latin1'), 'HELLO world');
});

test('a read-only device refuses to become writable', () => {
  const device = openDevice(image('ro', 'x'), { readOnly: true });
  fails('EROFS', () => device.enableWrites?.());
  device.close();
});

test('many buffers in one writev, more than the host takes at once', () => {
  const path = image('many', new Uint8Array(5000));
  const device = openDevice(path);
  device.enableWrites?.();
  device.writev(
    500,
    Array.from({ length: 3000 }, (_, i) => Uint8Array.of(i & 0xff)),
  );
  device.close();
  const got = readFileSync(path);
  for (let i = 0; i < 3000; i++) assert.is(got[500 + i], i & 0xff);
  assert.is(got[499], 0);
  assert.is(got[3500], 0);
});

test('addresses beyond 4 GiB', () => {
  const path = image('big', '');
  truncateSync(path, 6 * 2 ** 30);
  const device = openDevice(path);
  device.enableWrites?.();
  device.write(5 * 2 ** 30 + 7, Buffer.from('far'));
  const got = new Uint8Array(5);
  device.read(5 * 2 ** 30 + 6, got);
  assertBytes(got, Buffer.from('\0far\0'));
  device.read(2 ** 30 + 6, got);
  assertBytes(got, new Uint8Array(5), 'the address modulo 2^32');
  device.close();
});

test('the end of the image, also when it shrinks under us, is EIO and says where', () => {
  const path = image('short', new Uint8Array(1000));
  const device = openDevice(path);
  fails('EIO', () => device.read(999, new Uint8Array(2)), /outside the 1000 bytes/);
  truncateSync(path, 600);
  fails('EIO', () => device.read(500, new Uint8Array(200)), /ends at 600/);
  device.close();
});

test('what is no image says so', () => {
  fails('ENOENT', () => openDevice(join(dir, 'missing')), /missing: No such file/);
  fails('EISDIR', () => openDevice(dir));
  fails('EINVAL', () => openDevice('/dev/null'));
});

test('an image that another process writes is refused, one that it reads is not', async () => {
  if (process.platform !== 'linux') return;
  const path = image('held', 'data');
  for (const [mode, refused] of [
    ['>>', true],
    ['<', false],
  ] as const) {
    const child = spawn('sh', ['-c', `exec 3${mode}"$1"; echo ready; read x`, 'sh', path], {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    await new Promise((resolve) => child.stdout.once('data', resolve));
    try {
      if (refused) fails('EBUSY', () => openDevice(path), new RegExp(`process ${child.pid}`));
      else openDevice(path).close();
    } finally {
      child.stdin.end('\n');
      await new Promise((resolve) => child.once('exit', resolve));
    }
  }
});

/** A process with a command line like that of a run of fsio, which holds the image open for writing for some seconds. */
async function writer(path: string, seconds: number, ...words: string[]): Promise<void> {
  const script = 'exec 3>>"$1"; echo ready; sleep "$2" 3>&-';
  const child = spawn('sh', ['-c', script, 'sh', path, String(seconds), 'fsio', ...words], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  await new Promise((resolve) => child.stdout.once('data', resolve));
}

test('another run of fsio that writes is waited for, a server is not, and not for ever', async () => {
  if (process.platform !== 'linux') return;
  const path = image('taken', 'data');
  await writer(path, 2, '-c', 'pwrite 0 4k', path);
  fails('EBUSY', () => openDevice(path, { patience: 0 }), /open for writing in process/);
  const begin = Date.now();
  fails('EBUSY', () => openDevice(path, { patience: 0.1 }));
  assert.ok(Date.now() - begin >= 100);
  openDevice(path).close();
  await writer(path, 3, 'serve', '/tmp/socket', path);
  const refused = Date.now();
  fails('EBUSY', () => openDevice(path));
  assert.ok(Date.now() - refused < 2000);
});

test('who reads is waited for by nobody, and learns that another wrote meanwhile', async () => {
  const path = image('shared', 'data');
  const first = openDevice(path);
  const second = openDevice(path);
  first.enableWrites?.();
  assert.is(second.stale, false);
  first.write(0, Buffer.from('DATA'));
  first.close();
  assert.is(second.stale, true);
  fails('ESTALE', () => second.enableWrites?.());
  fails('ESTALE', () => second.enableWrites?.());
  assert.is(second.writable, false);
  second.startOver?.();
  assert.is(second.stale, false);
  second.enableWrites?.();
  second.write(0, Buffer.from('more'));
  assert.is(second.stale, false, 'what it wrote itself');
  second.close();
});

test('who reads begins anew after another wrote', () => {
  const path = image('reread', 'data');
  const device = openDevice(path);
  writeFileSync(path, 'DATA');
  device.startOver?.();
  assert.is(device.stale, false);
  device.enableWrites?.();
  device.close();
});

test('our own descriptors do not count', () => {
  const path = image('own', 'data');
  const fd = openSync(path, 'r+');
  openDevice(path).close();
  closeSync(fd);
});

test('a long write that is flushed ahead leaves no descriptor behind', async () => {
  const path = image('long', '');
  truncateSync(path, 80 * 2 ** 20);
  const open = () => readdirSync('/proc/self/fd').filter((fd) => linkOf(fd) === path).length;
  const device = openDevice(path);
  device.enableWrites?.();
  const piece = new Uint8Array(2 ** 20).fill(0x61);
  for (let at = 0; at < device.size; at += piece.length) device.write(at, piece);
  assert.is(open(), 2, 'one to write, one to flush ahead');
  device.close();
  for (let wait = 0; wait < 200 && open() > 0; wait++) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.is(open(), 0);
});

function linkOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return '';
  }
}

test('device numbers as sysfs writes them', () => {
  assert.is(deviceNumber(0x0700), '7:0');
  assert.is(deviceNumber(0xfe00), '254:0');
  const big = 0x10_0000 + 0xfd03;
  assert.is(deviceNumber(big), '253:259');
});

test.run();
