/** Records written by our writer, read back by our search for head and tail, in logs that wrap many times. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MemoryDevice } from '../../core/device/memory.ts';
import { LogArea } from '../../formats/xfs/log/area.ts';
import { BB, Client, OpFlag } from '../../formats/xfs/log/log-format.ts';
import { RecordWriter, writeUnmountRecord } from '../../formats/xfs/log/record-writer.ts';
import { findLogState, walkRecords } from '../../formats/xfs/log/state.ts';
import type { XfsMount } from '../../formats/xfs/mount.ts';
import { Random } from '../harness/random.ts';

const records = suite('xfs log records');
const KIB = 1024;

interface Shape {
  readonly name: string;
  readonly v2: boolean;
  readonly sunit: number;
  readonly kib: number;
}

const SHAPES: readonly Shape[] = [
  { name: 'v1', v2: false, sunit: 0, kib: 2048 },
  { name: 'v2', v2: true, sunit: 0, kib: 4096 },
  { name: 'v2, 256 KiB records', v2: true, sunit: 0, kib: 16 * KIB },
  { name: 'v2, stripe unit 64 KiB', v2: true, sunit: 64 * KIB, kib: 16 * KIB },
];

/** As much of a mount as the log's records need. */
function mountOf(shape: Shape): XfsMount {
  const device = new MemoryDevice(shape.kib * KIB + 8192);
  const fake = {
    device,
    logDevice: device,
    logStart: 2,
    logBlocks: (shape.kib * KIB) / 4096,
    blockSize: 4096,
    fsbToAddr: (fsb: number) => fsb * 4096,
    features: { v5: true, logV2: shape.v2 },
    sb: { logsunit: shape.sunit, uuid: new Uint8Array(16).fill(7) },
  };
  return fake as unknown as XfsMount;
}

function writeTransaction(writer: RecordWriter, tid: number, bytes: Uint8Array): void {
  writer.operation(tid, Client.TRANSACTION, OpFlag.START, null);
  for (let at = 0; at < bytes.length; at += 4000) {
    writer.operation(tid, Client.TRANSACTION, 0, bytes.subarray(at, Math.min(bytes.length, at + 4000)));
  }
  writer.operation(tid, Client.TRANSACTION, OpFlag.COMMIT, null);
  writer.finish();
}

function randomBytes(random: Random, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = random.below(256);
  return bytes;
}

/** The regions of the operations in the records, put together. */
function readBack(mp: XfsMount): Uint8Array {
  const state = findLogState(mp);
  const parts: Uint8Array[] = [];
  for (const record of walkRecords(state.area, state.tail, state.head)) {
    if ('reason' in record) throw new Error(record.reason);
    assert.ok(record.crcGood);
    const view = new DataView(record.data.buffer, record.data.byteOffset, record.data.length);
    for (let at = 0, i = 0; i < record.operations; i++) {
      const length = view.getUint32(at + 4);
      parts.push(record.data.subarray(at + 12, at + 12 + length));
      at += 12 + length;
    }
  }
  return Buffer.concat(parts);
}

for (const shape of SHAPES) {
  records(`${shape.name}: head, tail and bytes are found after every checkpoint, round and round`, () => {
    const mp = mountOf(shape);
    const area = new LogArea(mp);
    const random = new Random(11);
    const writer = new RecordWriter(area, 0, 1, 0);
    for (let i = 0; i < 120; i++) {
      writer.moveTail();
      const most = random.oneIn(8) ? Math.min(600 * KIB, (shape.kib * KIB) / 4) : 20 * KIB;
      const bytes = randomBytes(random, 4 * random.between(8, most / 4));
      writeTransaction(writer, i + 1, bytes);
      const state = findLogState(mp);
      assert.is(state.clean, false);
      assert.is(state.head, writer.block);
      assert.is(state.cycle, writer.cycle);
      assert.is(state.tail, writer.tailBlock);
      assert.ok(Buffer.from(bytes).equals(readBack(mp)), 'the bytes come back');
      if (!random.oneIn(4)) continue;
      writer.moveTail();
      writeUnmountRecord(writer, 5000 + i);
      const clean = findLogState(mp);
      assert.is(clean.clean, true);
      assert.is(clean.head, writer.block);
      assert.is(clean.cycle, writer.cycle);
    }
    assert.ok(writer.cycle > 1 || shape.kib > 8192);
  });
}

records('a log that was never written is clean and starts at block 0 of cycle 1', () => {
  const state = findLogState(mountOf(SHAPES[1] as Shape));
  assert.is(state.clean, true);
  assert.is(state.head, 0);
  assert.is(state.cycle, 1);
});

records('a record torn by a crash is cut off, wherever it tore', () => {
  const shape = SHAPES[1] as Shape;
  for (let seed = 0; seed < 40; seed++) {
    const mp = mountOf(shape);
    const random = new Random(seed);
    const area = new LogArea(mp);
    const writer = new RecordWriter(area, 0, 1, 0);
    // Enough rounds that the torn place holds an older record.
    for (let i = 0; i < 200; i++) {
      writer.moveTail();
      writeTransaction(writer, i + 1, randomBytes(random, 4 * random.between(100, 8000)));
    }
    const good = readBack(mp);
    const { block, cycle } = writer;
    const from = block;
    const old = area.read(from, 40);
    writeTransaction(writer, 999, randomBytes(random, 4 * random.between(1000, 4000)));
    // Of the new record's sectors only a random set arrived.
    for (let i = 0; i < 40; i++) {
      if (random.oneIn(3)) area.write(area.wrap(from + i), old.subarray(i * BB, (i + 1) * BB));
    }
    const state = findLogState(mp);
    if (state.head === writer.block) continue; // only padding was lost
    assert.is(state.head, block, `seed ${seed}`);
    assert.is(state.cycle, cycle);
    assert.ok(Buffer.from(good).equals(readBack(mp)));
  }
});

records('the log of another file system is refused', () => {
  const mp = mountOf(SHAPES[1] as Shape);
  const writer = new RecordWriter(new LogArea(mp), 0, 1, 0);
  writeTransaction(writer, 1, new Uint8Array(400));
  (mp.sb as { uuid: Uint8Array }).uuid = new Uint8Array(16).fill(9);
  assert.throws(() => findLogState(mp), /another file system/);
});

records.run();
