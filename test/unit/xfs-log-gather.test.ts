/** Transactions in memory: undo, the gathering of commits, busy extents; and the byte form of log items. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Buf, BufferCache, type BufOps } from '../../core/buffer-cache.ts';
import { MemoryDevice } from '../../core/device/memory.ts';
import { formatBuf, formatCancel } from '../../formats/xfs/log/buf-item.ts';
import { BusyExtents } from '../../formats/xfs/log/busy.ts';
import { Cil } from '../../formats/xfs/log/cil.ts';
import { formatInode } from '../../formats/xfs/log/inode-item.ts';
import { UndoLog } from '../../formats/xfs/log/undo.ts';
import type { XfsMount } from '../../formats/xfs/mount.ts';
import { Trans, transact } from '../../formats/xfs/trans.ts';
import { Random } from '../harness/random.ts';

const gather = suite('xfs transactions in memory');
const BLOCK = 4096;
const any: BufOps = { name: 'any', logType: 4, verify: () => null };
const inodeOps: BufOps = { name: 'inode', logType: 8, verify: () => null };

function memoryMount(): XfsMount {
  const device = new MemoryDevice(256 * BLOCK);
  for (let i = 0; i < 256; i++) device.write(i * BLOCK, new Uint8Array(BLOCK).fill(i));
  const cil = new Cil();
  const log = {
    cil,
    undo: new UndoLog(),
    busy: new BusyExtents(),
    countersChanged: false,
    begin() {},
    ended() {},
    cancelled() {},
  };
  const cache = new BufferCache(device, 64 * BLOCK);
  const features = { v5: true, lazySbCount: true };
  return {
    device,
    cache,
    log,
    features,
    quotas: [],
    readOnly: false,
    inodeSize: 512,
    blockSize: BLOCK,
  } as unknown as XfsMount;
}

gather('cancel puts every byte back, whatever the order of changes', () => {
  const random = new Random(3);
  for (let round = 0; round < 50; round++) {
    const mp = memoryMount();
    const before = new Map<number, Uint8Array>();
    for (let i = 0; i < 8; i++) before.set(i, mp.cache.get(i * BLOCK, BLOCK, any).bytes.slice());
    assert.throws(() =>
      transact(mp, 'test', (tp) => {
        for (let i = 0; i < 100; i++) {
          const buf = mp.cache.get(random.below(8) * BLOCK, BLOCK, any);
          if (random.oneIn(10)) {
            tp.binval(buf);
            const fresh = mp.cache.init(buf.addr, BLOCK, any);
            tp.init(fresh);
            fresh.bytes.fill(random.below(256));
            continue;
          }
          const offset = random.below(BLOCK);
          const length = random.between(1, BLOCK - offset);
          tp.modify(buf, offset, length);
          buf.bytes.fill(random.below(256), offset, offset + length);
        }
        throw new Error('no');
      }),
    );
    for (let i = 0; i < 8; i++) {
      const buf = mp.cache.get(i * BLOCK, BLOCK, any);
      assert.ok(Buffer.from(before.get(i) as Uint8Array).equals(buf.bytes));
      assert.is(buf.dirty, false);
      assert.is(buf.chunks, null);
    }
    assert.ok(mp.log.cil.empty);
  }
});

gather('commit marks blocks dirty and pinned; a freed block is cancelled, one used again is not', () => {
  const mp = memoryMount();
  const buf = transact(mp, 'a', (tp) => {
    const block = mp.cache.get(0, BLOCK, any);
    tp.modify(block, 130, 1);
    return block;
  });
  assert.ok(buf.dirty && buf.pinned);
  transact(mp, 'b', (tp) => tp.binval(buf));
  assert.is(buf.dirty, false);
  assert.is(mp.log.cil.cancels.size, 1);
  assert.is(mp.cache.peek(0), null);
  const again = transact(mp, 'c', (tp) => {
    const block = mp.cache.init(0, BLOCK, any);
    tp.init(block);
    return block;
  });
  assert.is(mp.log.cil.cancels.size, 0);
  assert.ok(mp.log.cil.has(again));
});

gather('callbacks: onAbort after the bytes are back, last first; onCommit only on commit', () => {
  const mp = memoryMount();
  const seen: string[] = [];
  const tp = new Trans(mp, 'x');
  tp.onAbort(() => seen.push('first'));
  tp.onAbort(() => seen.push('second'));
  tp.onCommit(() => seen.push('commit'));
  tp.cancel();
  assert.equal(seen, ['second', 'first']);
  assert.throws(() => tp.commit(), /already ended/);
});

gather('freeing an inode buffer forgets its inodes', () => {
  const mp = memoryMount();
  const buf = mp.cache.get(0, BLOCK, inodeOps);
  transact(mp, 'a', (tp) => {
    tp.modifyInode({ ino: 5, buf, base: 512 });
  });
  assert.is(mp.log.cil.inodes.size, 1);
  transact(mp, 'b', (tp) => tp.binval(buf));
  assert.is(mp.log.cil.inodes.size, 0);
});

gather('a buffer item holds exactly the changed chunks', () => {
  const mp = memoryMount();
  const buf = mp.cache.get(BLOCK, BLOCK, any);
  transact(mp, 'a', (tp) => {
    tp.modify(buf, 0, 1);
    tp.modify(buf, 250, 10);
    tp.modify(buf, 4095, 1);
  });
  const regions: Uint8Array[] = [];
  assert.is(formatBuf(buf, true, regions), 1);
  assert.equal(
    regions.map((region) => region.length),
    [24, 384, 128],
  );
  const view = new DataView((regions[0] as Uint8Array).buffer);
  assert.is(view.getUint16(0, true), 0x123c);
  assert.is(view.getUint16(2, true), 3);
  assert.is(view.getUint16(4, true), 4 << 11);
  assert.is(view.getUint16(6, true), 8);
  assert.is(view.getUint32(8, true), 8);
  assert.is(view.getUint32(20, true), 0x80000007);
  const cancel: Uint8Array[] = [];
  formatCancel(buf, cancel);
  assert.is(new DataView((cancel[0] as Uint8Array).buffer).getUint16(4, true), 2);
});

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

gather('an inode item logs the core in little-endian and the bmap root in its long form', () => {
  const bytes = new Uint8Array(512);
  const buf = { addr: 64 * 512, length: 512, bytes, view: new DataView(bytes.buffer), ops: inodeOps } as unknown as Buf;
  const { view } = buf;
  view.setUint16(0, 0x494e);
  view.setUint16(2, 0o100644);
  view.setUint8(4, 3);
  view.setUint8(5, 3);
  view.setBigUint64(56, 0x123456789an);
  view.setUint16(176, 1);
  view.setUint16(178, 2);
  view.setBigUint64(180, 0n);
  view.setBigUint64(188, 77n);
  const most = Math.floor((512 - 176 - 4) / 16);
  view.setBigUint64(180 + 8 * most, 1000n);
  view.setBigUint64(188 + 8 * most, 1001n);
  const regions: Uint8Array[] = [];
  formatInode({ ino: 131, buf, base: 0, fields: 7 }, 512, new Uint8Array(16).fill(3), regions);
  assert.equal(
    regions.map((region) => region.length),
    [56, 176, 72 + 32],
  );
  const format = viewOf(regions[0] as Uint8Array);
  assert.is(format.getUint32(4, true), 0x001 | 0x008);
  assert.is(format.getUint32(40, true), 64);
  const core = viewOf(regions[1] as Uint8Array);
  assert.is(core.getUint16(0, true), 0x494e);
  assert.is(core.getBigUint64(56, true), 0x123456789an);
  const root = viewOf(regions[2] as Uint8Array);
  assert.is(root.getUint32(0), 0x424d4133);
  assert.is(root.getUint16(6), 2);
  assert.is(root.getBigUint64(72 + 16), 1000n);
  assert.is(root.getBigUint64(72 + 24), 1001n);
});

gather('busy ranges merge, and overlap finds the first busy part', () => {
  const random = new Random(5);
  const busy = new BusyExtents();
  const model = new Set<number>();
  for (let i = 0; i < 400; i++) {
    const start = random.below(2000);
    const length = random.between(1, 20);
    busy.add(1, start, length);
    for (let b = start; b < start + length; b++) model.add(b);
    const from = random.below(2000);
    const count = random.between(1, 60);
    let want: { agbno: number; length: number } | null = null;
    for (let b = from; b < from + count; b++) {
      if (!model.has(b)) {
        if (want !== null) break;
        continue;
      }
      want ??= { agbno: b, length: 0 };
      want.length++;
    }
    assert.equal(busy.overlap(1, from, count), want);
    assert.is(busy.overlap(0, from, count), null);
  }
  busy.clear();
  assert.ok(busy.empty);
});

gather.run();
