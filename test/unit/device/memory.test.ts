import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { MemoryDevice } from '../../../core/device/memory.ts';
import { OverlayDevice } from '../../../core/device/overlay.ts';
import { RecorderDevice, replay } from '../../../core/device/recorder.ts';
import { FsError } from '../../../core/errors.ts';
import { assertBytes } from '../../harness/assert-bytes.ts';

const SIZE = 300_000;
const writes = fc.array(
  fc.record({ addr: fc.nat(SIZE - 1), length: fc.nat(140_000), fill: fc.integer({ min: 1, max: 255 }) }),
  { maxLength: 12 },
);

function apply(ops: readonly { addr: number; length: number; fill: number }[], to: (a: number, b: Uint8Array) => void) {
  for (const { addr, length, fill } of ops) to(addr, new Uint8Array(Math.min(length, SIZE - addr)).fill(fill));
}

test('a memory device holds what a plain array holds', () => {
  fc.assert(
    fc.property(writes, (ops) => {
      const device = new MemoryDevice(SIZE);
      const model = new Uint8Array(SIZE);
      apply(ops, (addr, bytes) => device.write(addr, bytes));
      apply(ops, (addr, bytes) => model.set(bytes, addr));
      const all = new Uint8Array(SIZE);
      device.read(0, all);
      assertBytes(all, model);
    }),
    { numRuns: 30 },
  );
});

test('an overlay shows base and changes, leaves the base alone, and can be applied to it', () => {
  fc.assert(
    fc.property(writes, writes, (first, second) => {
      const base = new MemoryDevice(SIZE);
      const model = new Uint8Array(SIZE);
      apply(first, (addr, bytes) => base.write(addr, bytes));
      apply(first, (addr, bytes) => model.set(bytes, addr));
      const before = model.slice();
      const overlay = new OverlayDevice(base);
      apply(second, (addr, bytes) => overlay.write(addr, bytes));
      apply(second, (addr, bytes) => model.set(bytes, addr));
      const all = new Uint8Array(SIZE);
      base.read(0, all);
      assertBytes(all, before, 'base');
      overlay.read(0, all);
      assertBytes(all, model, 'overlay');
      overlay.apply();
      base.read(0, all);
      assertBytes(all, model, 'base after apply');
    }),
    { numRuns: 30 },
  );
});

test('a sparse terabyte costs nothing', () => {
  const device = new MemoryDevice(2 ** 40);
  const at = 2 ** 40 - 4096;
  device.write(at, Buffer.from('end'));
  const got = new Uint8Array(4);
  device.read(at - 1, got);
  assertBytes(got, Buffer.from('\0end'));
  assert.is([...device.written()].length, 1);
});

test('beyond the end is EIO', () => {
  const device = new MemoryDevice(1000);
  for (const act of [() => device.read(999, new Uint8Array(2)), () => device.write(-1, new Uint8Array(1))]) {
    assert.throws(act, (error: unknown) => error instanceof FsError && error.code === 'EIO');
  }
});

test('the recorder keeps order, contents and flushes; replay makes any subset', () => {
  const device = new RecorderDevice(new MemoryDevice(100));
  const buffer = Buffer.from('aaaa');
  device.write(0, buffer);
  buffer.fill('x');
  device.flush();
  device.writev(2, [Buffer.from('b'), Buffer.from('cd')]);
  device.mark('done');
  assert.equal(
    device.events.map((event) => (event.kind === 'write' ? `write ${event.addr}` : event.kind)),
    ['write 0', 'flush', 'write 2', 'mark'],
  );
  const target = new MemoryDevice(100);
  replay(device.events, target, (index) => index === 2);
  const got = new Uint8Array(6);
  target.read(0, got);
  assertBytes(got, Buffer.from('\0\0bcd\0'));
  device.read(0, got);
  assertBytes(got, Buffer.from('aabcd\0'));
});

test.run();
