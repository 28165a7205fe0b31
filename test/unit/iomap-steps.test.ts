/** The steps of the engine, one operation at a time: what is asked for, what is read, what is written, in which order. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FsError } from '../../core/errors.ts';
import { bmap } from '../../core/iomap/bmap.ts';
import { directRead, directWrite } from '../../core/iomap/direct.ts';
import { fiemap } from '../../core/iomap/fiemap.ts';
import { bufferedRead } from '../../core/iomap/read.ts';
import { seekData, seekHole } from '../../core/iomap/seek.ts';
import { swapfileActivate } from '../../core/iomap/swapfile.ts';
import { LineTracer } from '../../core/iomap/trace.ts';
import {
  bufferedWrite,
  faultPage,
  pageMkwrite,
  truncatePage,
  unshareRange,
  zeroRange,
} from '../../core/iomap/write.ts';
import { writeback } from '../../core/iomap/writeback.ts';
import type { Inode } from '../../core/vfs/inode.ts';
import { assertBytes } from '../harness/assert-bytes.ts';
import { type MemoryFsOptions, type MemoryInode, memoryFile } from './memory-fs.ts';

/** A file whose begin() is never short, stale or elsewhere. */
function plain(options: Partial<MemoryFsOptions> = {}): MemoryInode & Inode {
  return memoryFile({ blockSize: 4096, style: 'delalloc', inlineCapacity: 0, dice: (n) => n - 1, ...options });
}

/** The event lines of `act`, without what stands before the event's name and without the device. */
function traced(file: MemoryInode & Inode, act: () => void, events = /dstmap|srcmap/): string[] {
  const lines: string[] = [];
  file.fs.tracer = new LineTracer((line) =>
    lines.push(line.replace(/^.*?: iomap/, 'iomap').replace(/dev .*?bdev 7:\d /, '')),
  );
  act();
  file.fs.tracer = null;
  return lines.filter((line) => events.test(line));
}

function fails(code: string, act: () => unknown): void {
  assert.throws(act, (error: unknown) => error instanceof FsError && error.code === code);
}

const bytes = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value);

test('a write reads the blocks it covers in part, and no others', () => {
  const file = plain();
  bufferedWrite(file, 0, bytes(40_960, 1));
  file.fsync();
  file.pages.invalidate(0, 40_960);
  const reads: number[] = [];
  const [device] = file.devices;
  const read = device.read.bind(device);
  device.read = (addr, into) => {
    reads.push(into.length);
    read(addr, into);
  };
  bufferedWrite(file, 4096, bytes(8192, 2));
  assert.equal(reads, []);
  bufferedWrite(file, 13_000, bytes(10_000, 3));
  assert.equal(reads, [4096, 4096]);
  bufferedWrite(file, 13_000, bytes(10_000, 4));
  assert.equal(reads, [4096, 4096]);
});

test('a copy on write reads from srcmap and leaves the old place alone', () => {
  for (const style of ['delalloc', 'cow'] as const) {
    const file = plain({ style });
    bufferedWrite(file, 0, bytes(16_384, 1));
    file.fsync();
    file.share(0, 16_384);
    file.pages.invalidate(0, 16_384);
    const lines = traced(file, () => bufferedWrite(file, 4097, bytes(100, 2)));
    const type = style === 'cow' ? 'COW (0x5)' : 'DELALLOC (0x1)';
    assert.equal(lines, [
      `iomap_iter_dstmap: addr 0xffffffffffffffff offset 0x1000 length 0x1000 type ${type} flags SHARED (0x4)`,
      'iomap_iter_srcmap: addr 0x101000 offset 0x1000 length 0x1000 type MAPPED (0x2) flags  (0x0)',
    ]);
    file.fsync();
    assert.is(file.sharedDamage(), 0);
    const got = bytes(4096, 9);
    assert.is(bufferedRead(file, 4096, got), 4096);
    assertBytes(got.subarray(0, 102), Uint8Array.of(1, ...bytes(100, 2), 1));
  }
});

test('unshare dirties what is shared and nothing else', () => {
  const file = plain();
  bufferedWrite(file, 0, bytes(16_384, 1));
  file.fsync();
  file.share(4096, 4096);
  unshareRange(file, 0, 1_000_000);
  assert.is(file.pages.dirtyBytes, 4096);
  file.fsync();
  unshareRange(file, 0, 16_384);
  assert.is(file.pages.dirtyBytes, 0);
});

test('zero range skips holes and unwritten extents unless pages over them are dirty', () => {
  const file = plain();
  bufferedWrite(file, 65_536, bytes(10, 1));
  file.fsync();
  file.allocate(0, 8192);
  assert.is(zeroRange(file, 0, 60_000), false);
  assert.is(file.pages.dirtyBytes, 0);
  bufferedWrite(file, 100, bytes(10, 2));
  assert.is(zeroRange(file, 0, 8192), true);
  const got = bytes(8192, 9);
  bufferedRead(file, 0, got);
  assertBytes(got, new Uint8Array(8192));
});

test('the head of a zero range that is dirty is zeroed where it is, not flushed', () => {
  const file = plain();
  bufferedWrite(file, 0, bytes(5000, 1));
  assert.is(truncatePage(file, 4500), true);
  assert.is(file.pages.dirtyBytes, 8192);
  assert.is(truncatePage(file, 8192), false);
});

test('write-back joins runs into few device writes and completes contiguous ones as one', () => {
  const file = plain();
  bufferedWrite(file, 0, bytes(3_000_000, 1));
  const [device] = file.devices;
  const writes: number[] = [];
  const writev = device.writev.bind(device);
  device.writev = (addr, from) => {
    writes.push(from.reduce((sum, part) => sum + part.length, 0));
    writev(addr, from);
  };
  const ends: string[] = [];
  const { writeback: ops } = file.iomap;
  const endIo = ops.endIo;
  ops.endIo = (ioend) => {
    ends.push(`${ioend.offset}+${ioend.length}`);
    endIo(ioend);
  };
  writeback(file);
  assert.equal(writes, [1_048_576, 1_048_576, 905_216]);
  assert.equal(ends, ['0+3002368']);
});

test('write-back stops at EOF and puts zeros behind it', () => {
  const file = plain();
  bufferedWrite(file, 0, bytes(4096, 1));
  file.size = 1000;
  writeback(file);
  const got = new Uint8Array(4096);
  file.devices[0].read(2 ** 20, got);
  assertBytes(got.subarray(990, 1010), Uint8Array.of(...bytes(10, 1), ...bytes(10, 0)));
});

test('seek sees dirty pages in unwritten extents as data', () => {
  const file = plain();
  file.growSize(65_536);
  file.allocate(0, 65_536);
  fails('ENXIO', () => seekData(file, 0));
  assert.is(seekHole(file, 5), 5);
  bufferedWrite(file, 20_000, bytes(10, 1));
  assert.is(seekData(file, 0), 16_384);
  assert.is(seekHole(file, 17_000), 20_480);
  fails('ENXIO', () => seekHole(file, 65_536));
});

test('fiemap tells delayed, unwritten and shared extents, marks the last and stops when told', () => {
  const file = plain();
  file.growSize(40_960);
  file.allocate(0, 4096);
  bufferedWrite(file, 8192, bytes(4096, 1));
  file.fsync();
  file.share(8192, 4096);
  bufferedWrite(file, 16_384, bytes(4096, 1));
  const got: string[] = [];
  const visit = (logical: number, physical: number, length: number, flags: number): boolean => {
    got.push(`${logical}+${length} at ${physical} ${flags.toString(16)}`);
    return got.length < 3;
  };
  fiemap(file, 0, Number.MAX_SAFE_INTEGER, visit);
  assert.equal(got, ['0+4096 at 1048576 800', '8192+4096 at 1052672 2000', '16384+4096 at 0 7']);
  got.length = 0;
  fiemap(file, 0, 12_288, (...extent) => visit(...extent) && got.length < 1);
  assert.equal(got, ['0+4096 at 1048576 800']);
  fails('EBADR', () => fiemap(file, 0, 1, visit, { xattr: true }));
  fails('EINVAL', () => fiemap(file, 0, 0, visit));
  fails('EFBIG', () => fiemap(file, 2 ** 63, 1, visit));
});

test('bmap flushes, and answers 0 for what is not plainly mapped', () => {
  const file = plain();
  bufferedWrite(file, 4096, bytes(4096, 1));
  assert.is(bmap(file, 1), 256);
  assert.is(bmap(file, 0), 0);
});

test('a swap file is made of whole pages that nobody shares', () => {
  const file = plain({ blockSize: 1024 });
  bufferedWrite(file, 0, bytes(20_000, 1));
  const layout = swapfileActivate(file);
  assert.equal(layout, { extents: [{ page: 0, pages: 4, addr: 2 ** 20 }], pages: 4, span: 3 });
  file.share(0, 1024);
  assert.throws(() => swapfileActivate(file), /shared extents/);
  assert.throws(() => swapfileActivate(plain({ inlineCapacity: 100 })), /single usable page/);
  const holey = plain();
  bufferedWrite(holey, 8192, bytes(8192, 1));
  assert.throws(() => swapfileActivate(holey), /unallocated extents/);
});

test('direct I/O wants sectors, is short at EOF, and agrees with the cache', () => {
  const file = plain();
  bufferedWrite(file, 0, bytes(5000, 1));
  fails('EINVAL', () => directRead(file, 100, bytes(512, 0)));
  fails('EINVAL', () => directWrite(file, 0, bytes(100, 0)));
  assert.is(directWrite(file, 512, bytes(512, 2)), 512);
  const got = bytes(8192, 9);
  assert.is(directRead(file, 0, got), 5000);
  assertBytes(got.subarray(0, 5000), Uint8Array.of(...bytes(512, 1), ...bytes(512, 2), ...bytes(3976, 1)));
  assert.is(directRead(file, 5000, got), 0);
  assert.is(bufferedRead(file, 0, got), 5000);
  assert.is(got[600], 2);
});

test('a page fault reads, and writing through a mapping reserves first', () => {
  const file = plain();
  bufferedWrite(file, 0, bytes(6000, 1));
  file.fsync();
  file.share(0, 8192);
  file.pages.invalidate(0, 8192);
  faultPage(file, 4100);
  assert.is(file.pages.dirtyBytes, 0);
  pageMkwrite(file, 4100);
  assert.is(file.pages.dirtyBytes, 4096);
  assert.is(file.reserved(), 1);
  fails('EFAULT', () => faultPage(file, 6000));
});

test('inline data is read and written in place, and leaves when it grows', () => {
  const file = plain({ inlineCapacity: 100 });
  bufferedWrite(file, 0, bytes(10, 1));
  bufferedWrite(file, 20, bytes(10, 2));
  assert.is(file.pages.dirtyBytes, 0);
  assertBytes(
    (file.inline as Uint8Array).subarray(0, 31),
    Uint8Array.of(...bytes(10, 1), ...bytes(10, 0), ...bytes(10, 2), 0),
  );
  assert.is(directWrite(file, 0, bytes(5, 3)), 5);
  bufferedWrite(file, 90, bytes(20, 4));
  assert.is(file.inline, null);
  const got = bytes(200, 9);
  assert.is(bufferedRead(file, 0, got), 110);
  assertBytes(
    got.subarray(0, 32),
    Uint8Array.of(...bytes(5, 3), ...bytes(5, 1), ...bytes(10, 0), ...bytes(10, 2), 0, 0),
  );
});

test('ENOSPC half-way makes the write short, then fails', () => {
  const file = plain();
  bufferedWrite(file, 8192, bytes(4096, 1));
  file.spaceLeft = 2;
  assert.is(bufferedWrite(file, 0, bytes(32_768, 2)), 12_288);
  fails('ENOSPC', () => bufferedWrite(file, 12_288, bytes(4096, 2)));
  file.fsync();
  const got = bytes(16_384, 9);
  assert.is(bufferedRead(file, 0, got), 12_288);
  assertBytes(got.subarray(0, 12_288), bytes(12_288, 2));
});

test('a device that fails to read: the bytes before it, then EIO', () => {
  const file = plain();
  bufferedWrite(file, 0, bytes(200_000, 1));
  file.fsync();
  file.pages.invalidate(0, 100_000);
  file.devices[0].failReads = true;
  fails('EIO', () => bufferedRead(file, 0, bytes(100, 0)));
  fails('EIO', () => bufferedWrite(file, 1, bytes(10, 0)));
  assert.is(bufferedRead(file, 150_000, bytes(100, 0)), 100);
});

test('a device that fails to write: fsync says so once, reservations are given back, the mapping stays unwritten', () => {
  const file = plain();
  bufferedWrite(file, 0, bytes(8192, 1));
  file.devices[0].failWrites = true;
  assert.is(file.reserved(), 2);
  fails('EIO', () => file.fsync());
  assert.is(file.reserved(), 0);
  assert.is(file.pages.dirtyBytes, 0);
  file.devices[0].failWrites = false;
  file.fsync();
  const got = bytes(8192, 9);
  bufferedRead(file, 0, got);
  assertBytes(got, new Uint8Array(8192));
});

test('trace lines are the words of the kernel', () => {
  const file = plain();
  const lines = traced(file, () => bufferedWrite(file, 0, bytes(4096, 1)), /./);
  assert.match(
    lines[0] as string,
    /^iomap_iter: dev 7:0 ino 0x2a pos 0x0 length 0x1000 status 0 flags WRITE \(0x1\) ops \S+ caller iomap_file_buffered_write$/,
  );
  assert.is(
    lines[1],
    'iomap_iter_dstmap: addr 0xffffffffffffffff offset 0x0 length 0x1000 type DELALLOC (0x1) flags NEW (0x1)',
  );
  assert.match(lines[2] as string, /^iomap_iter: dev 7:0 ino 0x2a pos 0x1000 length 0x0 /);
});

test.run();
