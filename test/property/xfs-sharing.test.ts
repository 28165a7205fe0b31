/**
 * Reference counts, reverse mappings and CoW staging against a model that counts owners block by block: files that
 * share, unshare, convert and free pieces of an AG at random. Records must be the shortest list that says the same,
 * which is what Linux keeps.
 */
import * as assert from 'uvu/assert';
import { bufferedRead } from '../../core/iomap/read.ts';
import { Readahead } from '../../core/iomap/readahead.ts';
import { bufferedWrite } from '../../core/iomap/write.ts';
import { allocExtent } from '../../formats/xfs/alloc/alloc.ts';
import { hasCowLeftovers, recoverCowLeftovers } from '../../formats/xfs/alloc/cow-leftovers.ts';
import { freeExtent } from '../../formats/xfs/alloc/free.ts';
import { cowAlloc, cowFree, findShared, refcountDecrease, refcountIncrease } from '../../formats/xfs/alloc/refcount.ts';
import { rmapConvert, rmapMap, rmapUnmap } from '../../formats/xfs/alloc/rmap.ts';
import { refcountbtCursor } from '../../formats/xfs/btree/refcount.ts';
import { rmapbtCursor } from '../../formats/xfs/btree/rmap.ts';
import type { XfsInode } from '../../formats/xfs/inode.ts';
import type { XfsMount } from '../../formats/xfs/mount.ts';
import type { Trans } from '../../formats/xfs/trans.ts';
import { assertBytes } from '../harness/assert-bytes.ts';
import { missingJudges, repairComplaints } from '../harness/kernel.ts';
import { announceSeed, Random, rounds } from '../harness/random.ts';
import { gatedSuite } from '../harness/suite.ts';
import { checkSpace, checkTree } from './xfs-check.ts';
import { freshImage, openImage } from './xfs-fixture.ts';

const sharing = gatedSuite('xfs sharing', missingJudges());
const seed = announceSeed('xfs-sharing');

const AG = 1;
const FIRST_BLOCK = 2000;

interface Mapped {
  readonly block: number;
  readonly unwritten: boolean;
}

interface Run extends Mapped {
  readonly off: number;
  readonly length: number;
}

/** Six files and a staging area over one AG, as the test knows them and as the trees must say. */
class World {
  readonly files: Map<number, Mapped>[] = Array.from({ length: 6 }, () => new Map());
  readonly owners = new Map<number, number>();
  readonly staged = new Set<number>();
  private readonly mp: XfsMount;
  private readonly random: Random;
  private readonly span: number;

  constructor(mp: XfsMount, random: Random, span: number) {
    this.mp = mp;
    this.random = random;
    this.span = span;
  }

  step(): void {
    const { random } = this;
    const file = random.below(this.files.length);
    const chance = random.unit();
    if (chance < 0.25) this.map(file);
    else if (chance < 0.55) this.share(file);
    else if (chance < 0.7) this.convert(file);
    else if (chance < 0.8) this.stage();
    else {
      const run = this.pick(file);
      if (run !== null) this.mp.transact('unmap', (tp) => this.unmap(tp, file, run));
    }
  }

  clear(): void {
    for (let file = 0; file < this.files.length; file++)
      for (let run = this.pick(file); run !== null; run = this.pick(file)) {
        const gone = run;
        this.mp.transact('unmap', (tp) => this.unmap(tp, file, gone));
      }
  }

  private fsb(block: number): number {
    return this.mp.agbToFsb(AG, block);
  }

  private owner(file: number, offset: number, unwritten: boolean) {
    return { ino: this.mp.agInoToIno(0, 131 + file), offset, fork: 'data' as const, unwritten };
  }

  private near(): number {
    return this.fsb(FIRST_BLOCK + this.random.below(this.span));
  }

  private map(file: number): void {
    const { random } = this;
    const length = random.between(1, 60);
    const off = random.below(this.span);
    if (!this.isHole(file, off, length)) return;
    const unwritten = random.oneIn(3);
    this.mp.transact('map', (tp) => {
      const got = this.alloc(tp, length);
      rmapMap(tp, got.fsb, got.length, this.owner(file, off, unwritten));
      const block = this.mp.fsbToAgbno(got.fsb);
      for (let k = 0; k < got.length; k++) {
        assert.not.ok(this.owners.has(block + k), 'what is owned is not free');
        this.files[file]?.set(off + k, { block: block + k, unwritten });
        this.owners.set(block + k, 1);
      }
    });
  }

  private alloc(tp: Trans, length: number) {
    const got = allocExtent(tp, {
      mode: 'near',
      target: this.near(),
      minLength: 1,
      maxLength: length,
      data: true,
      owner: 'skip',
    });
    assert.ok(got);
    return got;
  }

  private share(file: number): void {
    const run = this.pick(file);
    if (run === null || run.unwritten) return;
    const other = this.random.below(this.files.length);
    const off = this.random.oneIn(2) ? run.off : this.random.below(this.span);
    if (!this.isHole(other, off, run.length)) return;
    this.mp.transact('share', (tp) => {
      refcountIncrease(tp, this.fsb(run.block), run.length);
      rmapMap(tp, this.fsb(run.block), run.length, this.owner(other, off, false));
    });
    for (let k = 0; k < run.length; k++) {
      this.files[other]?.set(off + k, { block: run.block + k, unwritten: false });
      this.owners.set(run.block + k, (this.owners.get(run.block + k) ?? 0) + 1);
    }
  }

  private convert(file: number): void {
    const run = this.pick(file);
    if (run === null) return;
    let length = 0;
    while (length < run.length && this.owners.get(run.block + length) === 1) length++;
    if (length === 0) return;
    const unwritten = !run.unwritten;
    this.mp.transact('convert', (tp) =>
      rmapConvert(tp, this.fsb(run.block), length, this.owner(file, run.off, unwritten)),
    );
    for (let k = 0; k < length; k++) this.files[file]?.set(run.off + k, { block: run.block + k, unwritten });
  }

  private stage(): void {
    if (this.random.oneIn(2) || this.staged.size === 0) {
      this.mp.transact('stage', (tp) => {
        const got = this.alloc(tp, 20);
        cowAlloc(tp, got.fsb, got.length);
        for (let k = 0; k < got.length; k++) this.staged.add(this.mp.fsbToAgbno(got.fsb) + k);
      });
      return;
    }
    const block = this.random.pick([...this.staged]);
    let length = 1;
    while (length < 7 && this.staged.has(block + length)) length++;
    this.mp.transact('unstage', (tp) => {
      cowFree(tp, this.fsb(block), length);
      freeExtent(tp, this.fsb(block), length, 'skip');
    });
    for (let k = 0; k < length; k++) this.staged.delete(block + k);
  }

  unmap(tp: Trans, file: number, run: Run): void {
    rmapUnmap(tp, this.fsb(run.block), run.length, this.owner(file, run.off, run.unwritten));
    refcountDecrease(tp, this.fsb(run.block), run.length);
    for (let k = 0; k < run.length; k++) {
      this.files[file]?.delete(run.off + k);
      const left = (this.owners.get(run.block + k) as number) - 1;
      if (left > 0) this.owners.set(run.block + k, left);
      else this.owners.delete(run.block + k);
    }
  }

  /** A piece of a file that one extent holds. */
  pick(file: number): Run | null {
    const map = this.files[file] as Map<number, Mapped>;
    if (map.size === 0) return null;
    const off = this.random.pick([...map.keys()]);
    const { block, unwritten } = map.get(off) as Mapped;
    const longest = this.random.between(1, 40);
    let length = 1;
    while (length < longest) {
      const next = map.get(off + length);
      if (next === undefined || next.block !== block + length || next.unwritten !== unwritten) break;
      length++;
    }
    return { off, block, length, unwritten };
  }

  private isHole(file: number, off: number, length: number): boolean {
    const map = this.files[file] as Map<number, Mapped>;
    for (let k = 0; k < length; k++) if (map.has(off + k)) return false;
    return true;
  }

  check(): void {
    assert.equal(checkSpace(this.mp), []);
    this.checkCounts();
    if (this.mp.features.rmapbt) this.checkOwners();
    for (let i = 0; i < 20; i++) this.checkFindShared();
  }

  private checkCounts(): void {
    const wanted: [number, number, number, boolean][] = [];
    const add = (block: number, count: number, cow: boolean): void => {
      const last = wanted[wanted.length - 1];
      if (last !== undefined && last[0] + last[1] === block && last[2] === count && last[3] === cow) last[1]++;
      else wanted.push([block, 1, count, cow]);
    };
    const sorted = (blocks: Iterable<number>): number[] => [...blocks].sort((a, b) => a - b);
    for (const block of sorted(this.owners.keys())) {
      const count = this.owners.get(block) as number;
      if (count > 1) add(block, count, false);
    }
    for (const block of sorted(this.staged)) add(block, 1, true);
    const found: typeof wanted = [];
    checkTree(refcountbtCursor(this.mp, AG), [], (r) => found.push([r.startblock, r.blockcount, r.refcount, r.cow]));
    assert.equal(found, wanted);
  }

  private checkOwners(): void {
    const wanted: string[] = [];
    this.files.forEach((map, file) => {
      let run: Run | null = null;
      const end = (): void => {
        if (run !== null)
          wanted.push([run.block, run.length, this.owner(file, 0, false).ino, run.off, run.unwritten].join());
      };
      for (const off of [...map.keys()].sort((a, b) => a - b)) {
        const { block, unwritten } = map.get(off) as Mapped;
        const last = run as Run | null;
        const joins =
          last !== null &&
          last.off + last.length === off &&
          last.block + last.length === block &&
          last.unwritten === unwritten;
        if (joins) run = { ...last, length: last.length + 1 };
        else {
          end();
          run = { off, block, length: 1, unwritten };
        }
      }
      end();
    });
    const found: string[] = [];
    checkTree(rmapbtCursor(this.mp, AG), [], (r) => {
      if (r.owner >= 0) found.push([r.startblock, r.blockcount, r.owner, r.offset, r.unwritten].join());
    });
    assert.equal(found.sort(), wanted.sort());
  }

  private checkFindShared(): void {
    const from = FIRST_BLOCK + this.random.below(this.span);
    const length = this.random.between(1, 100);
    let start = -1;
    let count = 0;
    for (let block = from; block < from + length; block++) {
      if ((this.owners.get(block) ?? 0) > 1) {
        if (start < 0) start = block;
        count++;
      } else if (start >= 0) break;
    }
    const wanted = start < 0 ? null : { agbno: start, length: count };
    assert.equal(findShared(this.mp, AG, from, length), wanted);
  }
}

function play(args: string, steps: number, span: number): void {
  const random = new Random(seed + span);
  const path = freshImage(args);
  const fs = openImage(path, random);
  const world = new World(fs.mp, random, span);
  for (let i = 0; i < steps; i++) {
    world.step();
    if (i % Math.ceil(steps / 10) === 0) world.check();
  }
  world.check();
  assert.is(hasCowLeftovers(fs.mp), world.staged.size > 0);
  recoverCowLeftovers(fs.mp);
  world.staged.clear();
  world.check();
  world.clear();
  world.check();
  fs.unmount();
  assert.equal(repairComplaints(path), []);
}

sharing('4 KiB blocks', () => play('', rounds(2500), 3000));
sharing('1 KiB blocks with rmap, crowded', () => play('-b size=1024 -m rmapbt=1', rounds(3000), 1200));
sharing('1 KiB blocks with rmap, spread', () => play('-b size=1024 -m rmapbt=1', rounds(5000), 20_000));

/** Scattered writes over files that share with each other and with themselves, against bytes. */
function overwrite(args: string, blockSize: number, steps: number): void {
  const random = new Random(seed + blockSize + steps);
  const path = freshImage(args);
  const blocks = 6000;
  const models = [0, 1, 2].map(() => new Uint8Array(blocks * blockSize));
  let fs = openImage(path, random);
  let files = models.map((model, i) => {
    const file = fs.root().create(`f${i}`, 0o644) as XfsInode;
    bufferedWrite(file, 0, model.fill(i + 1));
    file.fsync(false);
    return file;
  });
  for (let step = 0; step < steps; step++) {
    const which = random.below(3);
    const file = files[which] as XfsInode;
    const model = models[which] as Uint8Array;
    if (random.oneIn(3)) {
      const from = random.below(3);
      const length = random.between(1, blocks / 2);
      const [source, target] = [random.below(blocks - length), random.below(blocks - length)];
      if (from === which && Math.abs(source - target) < length) continue;
      file.reflink(files[from] as XfsInode, source * blockSize, target * blockSize, length * blockSize);
      const bytes = (models[from] as Uint8Array).slice(source * blockSize, (source + length) * blockSize);
      model.set(bytes, target * blockSize);
    } else {
      const span = random.pick([300, 2000, blocks]);
      const start = random.below(blocks - span + 1);
      const value = random.below(256);
      for (let n = random.pick([10, 200, 1500]); n > 0; n--) {
        const at = (start + random.below(span)) * blockSize;
        const bytes = new Uint8Array(blockSize * random.between(1, 2)).fill(value);
        if (at + bytes.length > model.length) continue;
        if (random.oneIn(2)) bytes[random.below(blockSize)] = n;
        bufferedWrite(file, at, bytes);
        model.set(bytes, at);
      }
      if (random.oneIn(2)) file.fsync(false);
    }
    if (random.unit() > 0.15) continue;
    fs.unmount();
    assert.equal(repairComplaints(path), []);
    fs = openImage(path, random);
    files = models.map((_, i) => fs.root().child(`f${i}`) as XfsInode);
  }
  assert.equal(checkSpace(fs.mp), []);
  const got = new Uint8Array(blocks * blockSize);
  models.forEach((model, i) => {
    assert.is(bufferedRead(files[i] as XfsInode, 0, got, new Readahead()), got.length);
    assertBytes(got, model);
  });
  fs.unmount();
  assert.equal(repairComplaints(path), []);
}

sharing('scattered overwrites, 4 KiB blocks', () => overwrite('', 4096, rounds(40)));
sharing('scattered overwrites, 1 KiB blocks with rmap', () => overwrite('-b size=1024 -m rmapbt=1', 1024, rounds(40)));

sharing('an extent of many counts is counted down, up and replaced in a chain of transactions', () => {
  const path = freshImage('-b size=1024 -m rmapbt=1');
  const fs = openImage(path, new Random(1));
  const root = fs.root();
  const blocks = 4096;
  const [whole, pieces, copy] = ['whole', 'pieces', 'copy'].map((name) => root.create(name, 0o644)) as XfsInode[];
  bufferedWrite(whole as XfsInode, 0, new Uint8Array(blocks * 1024).fill(0x61));
  whole?.fsync(false);
  assert.is(whole?.dataFork.nextents, 1);
  for (let at = 0; at < blocks; at += 2) pieces?.reflink(whole as XfsInode, at * 1024, at * 1024, 1024);
  const count = (name: string, act: () => void): void => {
    const { transact } = fs.mp;
    let steps = 0;
    fs.mp.transact = (what, fn) => {
      steps++;
      return transact(what, fn);
    };
    act();
    fs.mp.transact = transact;
    assert.ok(steps >= blocks / 512, `${name}: ${steps} transactions`);
    checkSpace(fs.mp);
  };
  count('reflink', () => copy?.reflink(whole as XfsInode, 0, 0, blocks * 1024));
  count('reflink over it', () => copy?.reflink(pieces as XfsInode, 0, 0, (blocks - 1) * 1024));
  count('copy on write', () => {
    bufferedWrite(whole as XfsInode, 0, new Uint8Array(blocks * 1024).fill(0x62));
    whole?.fsync(false);
  });
  copy?.reflink(whole as XfsInode, 0, 0, blocks * 1024);
  for (let at = 0; at < blocks; at += 2) pieces?.reflink(whole as XfsInode, at * 1024, at * 1024, 1024);
  copy?.truncate(0);
  count('truncate', () => whole?.truncate(0));
  fs.unmount();
  assert.equal(repairComplaints(path), []);
});

sharing.run();
