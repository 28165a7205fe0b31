import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Buf, BufferCache, type BufOps } from '../../core/buffer-cache.ts';
import { MemoryDevice } from '../../core/device/memory.ts';

const cacheSuite = suite('buffer cache');

const any: BufOps = { name: 'any', logType: 0, verify: () => null };
const BLOCK = 4096;

function filled(capacityBlocks: number): BufferCache {
  const device = new MemoryDevice(1024 * BLOCK);
  for (let i = 0; i < 1024; i++) device.write(i * BLOCK, new Uint8Array(BLOCK).fill(i % 251));
  return new BufferCache(device, capacityBlocks * BLOCK);
}

cacheSuite('a second get reads nothing and gives the same buffer', () => {
  const cache = filled(16);
  const first = cache.get(BLOCK, BLOCK, any);
  assert.is(first.bytes[0], 1);
  assert.is(cache.get(BLOCK, BLOCK, any), first);
  assert.is(cache.reads, 1);
});

cacheSuite('stays within its size, but never evicts what is held or dirty', () => {
  const cache = filled(16);
  const held = cache.get(0, BLOCK, any);
  cache.hold(held);
  const dirty = cache.get(BLOCK, BLOCK, any);
  cache.markDirty(dirty);
  for (let i = 2; i < 1000; i++) cache.get(i * BLOCK, BLOCK, any);
  assert.is(cache.get(0, BLOCK, any), held);
  assert.is(cache.get(BLOCK, BLOCK, any), dirty);
  const before = cache.reads;
  cache.get(2 * BLOCK, BLOCK, any);
  assert.is(cache.reads, before + 1, 'a block that nobody wants was evicted');
});

cacheSuite('an evicted block can be revived, unless it was read again meanwhile', () => {
  const cache = filled(8);
  const old = cache.get(0, BLOCK, any);
  for (let i = 1; i < 100; i++) cache.get(i * BLOCK, BLOCK, any);
  assert.is(old.cached, false);
  cache.revive(old);
  assert.is(cache.get(0, BLOCK, any), old);
  for (let i = 1; i < 100; i++) cache.get(i * BLOCK, BLOCK, any);
  cache.get(0, BLOCK, any);
  assert.throws(() => cache.revive(old), /stale/);
});

cacheSuite('a damaged block is refused and not kept', () => {
  const cache = filled(8);
  const bad: BufOps = {
    name: 'bad',
    logType: 0,
    verify: (buf: Buf) => ({ structure: 'bad', addr: buf.addr, rule: 'magic' }),
  };
  assert.throws(() => cache.get(BLOCK, BLOCK, bad), /bad at 0x1000: magic/);
  assert.is(cache.peek(BLOCK), null);
});

cacheSuite('a clean block asked for as another structure is judged again', () => {
  const cache = filled(8);
  cache.get(BLOCK, BLOCK, any);
  const bad: BufOps = { name: 'bad', logType: 0, verify: () => ({ structure: 'bad', rule: 'magic' }) };
  assert.throws(() => cache.get(BLOCK, BLOCK, bad), /magic/);
  assert.is(cache.get(BLOCK, BLOCK, any).ops, any);
});

cacheSuite('uninit brings back what the address held', () => {
  const cache = filled(8);
  const old = cache.get(BLOCK, BLOCK, any);
  const fresh = cache.init(BLOCK, BLOCK, any);
  assert.is(fresh.bytes[0], 0);
  assert.is(cache.get(BLOCK, BLOCK, any), fresh);
  cache.uninit(fresh);
  assert.is(cache.get(BLOCK, BLOCK, any), old);
});

cacheSuite('a block of several device extents reads them in their order', () => {
  const cache = filled(8);
  const maps = [
    { addr: 5 * BLOCK, length: BLOCK },
    { addr: 2 * BLOCK, length: BLOCK },
  ];
  const buf = cache.getMaps(maps, any);
  assert.is(buf.length, 2 * BLOCK);
  assert.is(buf.bytes[0], 5);
  assert.is(buf.bytes[BLOCK], 2);
  assert.is(cache.getMaps(maps, any), buf);
});

cacheSuite('blocks that are dropped and made again do not pile up', () => {
  const cache = filled(64);
  for (let i = 0; i < 100_000; i++) cache.drop(cache.init((i % 8) * BLOCK, BLOCK, any));
  assert.is(cache.peek(0), null);
  assert.is(cache.dirty.size, 0);
});

cacheSuite.run();
