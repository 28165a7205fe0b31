/**
 * The engine against a model that is only bytes: random operations on a file whose begin() answers inline, shared with
 * a source on another device, short, stale, unwritten over garbage. Every read must agree, shared blocks must never
 * change, and what SEEK_DATA and FIEMAP leave out must be zeros.
 */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { FsError } from '../../core/errors.ts';
import { directRead, directWrite } from '../../core/iomap/direct.ts';
import { fiemap } from '../../core/iomap/fiemap.ts';
import { bufferedRead } from '../../core/iomap/read.ts';
import { Readahead } from '../../core/iomap/readahead.ts';
import { seekData, seekHole } from '../../core/iomap/seek.ts';
import { bufferedWrite, unshareRange, zeroGap, zeroRange } from '../../core/iomap/write.ts';
import type { Inode } from '../../core/vfs/inode.ts';
import { poolFor } from '../../core/vfs/page-pool.ts';
import { assertBytes } from '../harness/assert-bytes.ts';
import { announceSeed, rounds } from '../harness/random.ts';
import { type MemoryInode, memoryFile } from './memory-fs.ts';

const LIMIT = 600_000;

type RangeOp = 'write' | 'read' | 'zero' | 'unshare' | 'share' | 'allocate' | 'dwrite' | 'dread';
type WholeOp = 'fsync' | 'drop' | 'holes' | 'extents';
type Step =
  | { readonly op: RangeOp; readonly pos: number; readonly length: number }
  | { readonly op: 'truncate'; readonly pos: number }
  | { readonly op: WholeOp };

/** Positions near block, page and folio edges, lengths from a byte to several folios. */
const position = fc.oneof(
  fc.nat(20_000),
  fc.nat(LIMIT),
  fc.tuple(fc.nat(140), fc.integer({ min: -2, max: 2 })).map(([n, d]) => Math.max(0, n * 4096 + d)),
);
const size = fc.oneof(
  fc.integer({ min: 1, max: 200 }),
  fc.integer({ min: 1, max: 20_000 }),
  fc.integer({ min: 1, max: 300_000 }),
);
const ranged = fc.constantFrom(
  'write',
  'write',
  'read',
  'zero',
  'unshare',
  'share',
  'allocate',
  'dwrite',
  'dread',
) as fc.Arbitrary<'write' | 'read' | 'zero' | 'unshare' | 'share' | 'allocate' | 'dwrite' | 'dread'>;
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 10, arbitrary: fc.record({ op: ranged, pos: position, length: size }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('truncate' as const), pos: position }) },
  {
    weight: 3,
    arbitrary: fc.record({
      op: fc.constantFrom('fsync' as const, 'drop' as const, 'holes' as const, 'extents' as const),
    }),
  },
);
const setup = fc.record({
  blockSize: fc.constantFrom(512, 1024, 4096, 4096, 16384, 65536),
  style: fc.constantFrom('delalloc' as const, 'cow' as const),
  inlineCapacity: fc.constantFrom(0, 0, 300),
  seed: fc.nat(),
});

/** One run: the file, and what it must contain. */
class Run {
  readonly inode: MemoryInode & Inode;
  readonly model = new Uint8Array(LIMIT * 2);
  private readonly readahead = new Readahead();
  private value = 1;

  constructor(options: { blockSize: number; style: 'delalloc' | 'cow'; inlineCapacity: number; seed: number }) {
    let state = options.seed | 1;
    const dice = (n: number): number => {
      state = Math.imul(state, 1103515245) + 12345;
      return (state >>> 8) % n;
    };
    this.inode = memoryFile({ ...options, dice });
  }

  step(step: Step): void {
    const { inode } = this;
    if (step.op === 'fsync') inode.fsync();
    else if (step.op === 'drop') {
      inode.fsync();
      inode.pages.invalidate(0, Number.MAX_SAFE_INTEGER);
    } else if (step.op === 'holes') this.holes();
    else if (step.op === 'extents') this.extents();
    else if (step.op === 'truncate') {
      this.model.fill(0, Math.min(step.pos, inode.size), Math.max(step.pos, inode.size));
      inode.truncate(step.pos);
    } else if ('length' in step) this.range(step.op, step.pos, step.length);
    assert.is(inode.sharedDamage(), 0, 'a shared block changed');
  }

  private range(op: RangeOp, pos: number, length: number): void {
    const { inode } = this;
    if (op === 'dwrite' || op === 'dread') {
      pos -= pos % 512;
      length = Math.ceil(length / 512) * 512;
    }
    if (op === 'write' || op === 'dwrite') {
      // Pages that hold one byte all over are shared: others must be there as well.
      const bytes = new Uint8Array(length).fill(this.value++ % 255 || 7);
      if (this.value % 3 === 0) for (let i = 0; i < length; i += 1000) bytes[i] = i + this.value;
      if (pos > inode.size) zeroGap(inode, pos, pos + length);
      assert.is(op === 'write' ? bufferedWrite(inode, pos, bytes) : directWrite(inode, pos, bytes), length);
      this.model.set(bytes, pos);
    } else if (op === 'read' || op === 'dread') this.compare(pos, length, op);
    else if (op === 'zero') {
      const end = Math.min(pos + length, inode.size);
      if (pos >= end) return;
      zeroRange(inode, pos, end - pos);
      this.model.fill(0, pos, end);
    } else if (op === 'unshare') unshareRange(inode, pos, length);
    else if (op === 'share') inode.share(pos, length);
    else inode.allocate(pos, length);
  }

  compare(pos: number, length: number, op: string): void {
    const { inode } = this;
    const got = new Uint8Array(length).fill(0x99);
    const n = op === 'dread' ? directRead(inode, pos, got) : bufferedRead(inode, pos, got, this.readahead);
    assert.is(n, Math.max(0, Math.min(length, inode.size - pos)), `length of ${op} at ${pos}`);
    assertBytes(got.subarray(0, n), this.model.subarray(pos, pos + n));
  }

  private zeros(from: number, to: number): boolean {
    for (let i = from; i < to; i++) if (this.model[i] !== 0) return false;
    return true;
  }

  /** What lseek calls a hole must be zeros. */
  private holes(): void {
    const { inode } = this;
    for (let pos = 0; pos < inode.size; ) {
      const data = this.data(pos);
      assert.ok(this.zeros(pos, data), `data hidden before ${data}`);
      if (data === inode.size) return;
      pos = seekHole(inode, data);
      assert.ok(pos > data, 'no progress');
    }
  }

  private data(pos: number): number {
    try {
      return seekData(this.inode, pos);
    } catch (error) {
      assert.is((error as FsError).code, 'ENXIO');
      return this.inode.size;
    }
  }

  /** Extents are in order; what lies between them, or is unwritten after a sync, must be zeros; the last one says so. */
  private extents(): void {
    let at = 0;
    let lasts = 0;
    const visit = (logical: number, _physical: number, length: number, flags: number): boolean => {
      assert.ok(logical >= at, 'extents overlap');
      assert.ok(this.zeros(at, logical), `data hidden before ${logical}`);
      if ((flags & 0x800) !== 0) assert.ok(this.zeros(logical, logical + length), 'data in an unwritten extent');
      assert.is(flags & 0x4, 0, 'delayed allocation after a sync');
      assert.is(lasts, 0, 'an extent after the last one');
      lasts += flags & 1;
      at = logical + length;
      return true;
    };
    if (this.inode.size === 0) return;
    fiemap(this.inode, 0, this.inode.size, visit, { sync: true });
    assert.ok(at === 0 || lasts === 1, 'last extent not marked');
    assert.ok(this.zeros(at, this.inode.size), 'data hidden at the end');
  }
}

const seed = announceSeed('engine against bytes');

function runAll(runs: number): void {
  const property = fc.property(setup, fc.array(step, { minLength: 1, maxLength: 40 }), (options, steps) => {
    const run = new Run(options);
    for (const s of steps) run.step(s);
    run.compare(0, run.inode.size + 10, 'read');
    run.inode.fsync();
    assert.is(run.inode.pages.dirtyBytes, 0);
    run.inode.pages.invalidate(0, Number.MAX_SAFE_INTEGER);
    assert.ok(run.inode.pages.empty);
    run.compare(0, run.inode.size + 10, 'read');
  });
  fc.assert(property, { seed, numRuns: rounds(runs), includeErrorInReport: true });
}

/** Lent memory holds poison, so that a byte that nobody filled shows. */
for (const pool of [4096, 16384, 65536].map(poolFor)) {
  const { takePage, takeWhole, givePage } = pool;
  pool.takePage = () => takePage.call(pool).fill(0xdd);
  pool.takeWhole = () => takeWhole.call(pool).fill(0xdd);
  pool.givePage = (page) => givePage.call(pool, page.fill(0xcc));
}

test('random operations agree with a model of bytes', () => runAll(300));

test('and with almost no memory, so that pages come and go', () => {
  const pools = [4096, 16384, 65536].map(poolFor);
  const before = pools.map((pool) => ({ capacity: pool.capacity, dirtyLimit: pool.dirtyLimit }));
  for (const pool of pools) Object.assign(pool, { capacity: 512 * 1024, dirtyLimit: 200 * 1024 });
  runAll(150);
  for (const [i, pool] of pools.entries()) Object.assign(pool, before[i]);
});

test.run();
