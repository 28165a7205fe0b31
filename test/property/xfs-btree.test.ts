/**
 * The btree cursor against a sorted list: random insertions, deletions, updates and searches in all directions on
 * trees of small blocks, three and four levels high, each then walked block by block, and the image judged by
 * xfs_repair. The refcount btree stands for the AG trees; an extent btree grows in and out of its inode.
 */
import * as assert from 'uvu/assert';
import { allocExtent } from '../../formats/xfs/alloc/alloc.ts';
import { freeExtent } from '../../formats/xfs/alloc/free.ts';
import { convertExtent, mapExtent, unmapExtent } from '../../formats/xfs/bmap-edit.ts';
import { forkLookup } from '../../formats/xfs/bmap-fork.ts';
import { bmbtCursor } from '../../formats/xfs/btree/bmbt.ts';
import { editMany } from '../../formats/xfs/btree/edit-many.ts';
import { refcountbtCursor } from '../../formats/xfs/btree/refcount.ts';
import { Extent } from '../../formats/xfs/extent.ts';
import type { XfsInode } from '../../formats/xfs/inode.ts';
import type { XfsMount } from '../../formats/xfs/mount.ts';
import { missingJudges, repairComplaints } from '../harness/kernel.ts';
import { announceSeed, Random, rounds } from '../harness/random.ts';
import { gatedSuite } from '../harness/suite.ts';
import { checkSpace, checkTree } from './xfs-check.ts';
import { freshImage, openImage } from './xfs-fixture.ts';

const btree = gatedSuite('xfs btree cursor', missingJudges());
const seed = announceSeed('xfs-btree');

/** Sorted start blocks with their counts: what the tree must hold. */
class Model {
  readonly starts: number[] = [];
  readonly counts = new Map<number, number>();

  /** Index of the first start at or after `start`. */
  index(start: number): number {
    let low = 0;
    let high = this.starts.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.starts[middle] as number) < start) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function compareSearches(mp: XfsMount, model: Model, random: Random, top: number): void {
  const cursor = refcountbtCursor(mp, 0);
  for (let i = 0; i < 300; i++) {
    const key = random.below(top);
    const at = model.index(key);
    const exact = model.starts[at] === key;
    assert.is(cursor.lookup(key, 'eq'), exact);
    assert.is(cursor.lookup(key, 'ge'), at < model.starts.length, `ge ${key}`);
    if (at < model.starts.length) assert.is(cursor.get().startblock, model.starts[at]);
    for (let step = 1; step < 4; step++) {
      const expected = model.starts[at + step];
      if (at + step - 1 >= model.starts.length) break;
      assert.is(cursor.next(), expected !== undefined, `next ${step} of ${key}`);
      if (expected !== undefined) assert.is(cursor.get().startblock, expected);
    }
    const before = exact ? at : at - 1;
    assert.is(cursor.lookup(key, 'le'), before >= 0, `le ${key}`);
    for (let index = before; index >= 0 && index > before - 4; index--) {
      assert.is(cursor.get().startblock, model.starts[index]);
      assert.is(cursor.get().refcount, model.counts.get(model.starts[index] as number));
      assert.is(cursor.prev(), index > 0);
    }
  }
}

function compareAll(mp: XfsMount, model: Model): number {
  const complaints: string[] = [];
  const found: number[] = [];
  const shape = checkTree(refcountbtCursor(mp, 0), complaints, ({ startblock, refcount }) => {
    found.push(startblock);
    assert.is(refcount, model.counts.get(startblock));
  });
  assert.equal(complaints, []);
  assert.equal(found, model.starts);
  return shape.levels;
}

btree('insert, delete, update and search agree with a sorted list', () => {
  const random = new Random(seed);
  const path = freshImage('-b size=1024 -m rmapbt=1');
  const fs = openImage(path, random);
  const { mp } = fs;
  const model = new Model();
  const top = Math.min(mp.agSize(0) - 1, 60_000);
  const steps = rounds(30_000);
  let highest = 0;
  const change = (grow: number): void => {
    const start = 100 + random.below(top - 100);
    const at = model.index(start);
    const here = model.starts[at] === start;
    mp.transact('step', (tp) => {
      const cursor = refcountbtCursor(mp, 0, tp);
      const count = 2 + random.below(5);
      if (!here && random.unit() < grow) {
        cursor.insert({ startblock: start, blockcount: 1, refcount: count, cow: false });
        assert.is(cursor.get().startblock, start, 'stands on what it inserted');
        model.starts.splice(at, 0, start);
        model.counts.set(start, count);
      } else if (at < model.starts.length) {
        const victim = model.starts[at] as number;
        assert.ok(cursor.lookup(victim, 'eq'));
        if (random.oneIn(4)) {
          cursor.update({ startblock: victim, blockcount: 1, refcount: count, cow: false });
          model.counts.set(victim, count);
        } else {
          cursor.delete();
          model.starts.splice(at, 1);
          model.counts.delete(victim);
        }
      }
      cursor.close();
    });
  };
  for (let i = 0; i < steps; i++) {
    change(i < steps * 0.6 ? 0.95 : 0.1);
    if (i % Math.ceil(steps / 12) === 0) {
      highest = Math.max(highest, compareAll(mp, model));
      compareSearches(mp, model, random, top);
    }
  }
  assert.ok(highest >= 3, `reached only ${highest} levels`);
  mp.transact('empty', (tp) => {
    const cursor = refcountbtCursor(mp, 0, tp);
    while (cursor.edge(random.oneIn(2) ? 'first' : 'last')) cursor.delete();
    cursor.close();
  });
  model.starts.length = 0;
  assert.is(compareAll(mp, model), 1, 'an empty tree is one leaf');
  assert.equal(checkSpace(mp), []);
  fs.unmount();
  assert.equal(repairComplaints(path), []);
});

btree('many changes at once agree with a sorted list', () => {
  const random = new Random(seed + 3);
  const path = freshImage('-b size=1024 -m rmapbt=1');
  const fs = openImage(path, random);
  const { mp } = fs;
  const model = new Model();
  const top = Math.min(mp.agSize(0) - 1, 40_000);
  const steps = rounds(240);
  for (let i = 0; i < steps; i++) {
    const grow = i < steps * 0.6 ? 0.9 : 0.1;
    // Dense in a stretch, or all over the tree.
    const from = 100 + random.below(top - 100);
    const span = random.pick([50, 400, 3000, top]);
    const changes = new Map<number, number>();
    for (let n = random.between(1, 400); n > 0; n--) {
      const start = Math.min(top, from + random.below(span));
      const here = model.counts.has(start);
      if (random.unit() < grow) changes.set(start, 2 + random.below(5));
      else if (here) changes.set(start, 0);
      else if (model.starts.length > 0) {
        const victim = model.starts[model.index(start)];
        if (victim !== undefined) changes.set(victim, 0);
      }
    }
    const sorted = [...changes].sort((a, b) => a[0] - b[0]);
    const before = model.starts.length;
    for (const [start, count] of sorted) {
      const at = model.index(start);
      const here = model.starts[at] === start;
      if (count === 0) model.starts.splice(at, 1);
      else if (!here) model.starts.splice(at, 0, start);
      if (count === 0) model.counts.delete(start);
      else model.counts.set(start, count);
    }
    mp.transact('many', (tp) => {
      const cursor = refcountbtCursor(mp, 0, tp);
      const more = editMany(cursor, {
        count: sorted.length,
        read(index, record) {
          const [startblock, refcount] = sorted[index] as [number, number];
          Object.assign(record, { startblock, blockcount: 1, refcount, cow: false });
        },
        removes: (index) => sorted[index]?.[1] === 0,
      });
      assert.is(more, model.starts.length - before);
      cursor.close();
    });
    compareAll(mp, model);
  }
  mp.transact('empty', (tp) => {
    const cursor = refcountbtCursor(mp, 0, tp);
    editMany(cursor, {
      count: model.starts.length,
      read: (index, record) => void Object.assign(record, { startblock: model.starts[index], cow: false }),
      removes: () => true,
    });
    cursor.close();
  });
  model.starts.length = 0;
  assert.is(compareAll(mp, model), 1, 'an empty tree is one leaf');
  assert.equal(checkSpace(mp), []);
  fs.unmount();
  assert.equal(repairComplaints(path), []);
});

btree('a cancelled transaction leaves every tree as it was', () => {
  const random = new Random(seed + 1);
  const fs = openImage(freshImage('-b size=1024 -m rmapbt=1'), random);
  const { mp } = fs;
  const fill = (from: number, count: number): void => {
    mp.transact('fill', (tp) => {
      const cursor = refcountbtCursor(mp, 0, tp);
      for (let i = 0; i < count; i++)
        cursor.insert({ startblock: from + i * 2, blockcount: 1, refcount: 2, cow: false });
      cursor.close();
    });
  };
  fill(200, 500);
  const before = snapshot(mp);
  for (let round = 0; round < 20; round++) {
    const broken = (): void =>
      mp.transact('broken', (tp) => {
        const cursor = refcountbtCursor(mp, 0, tp);
        for (let i = 0; i < 400; i++) {
          if (random.oneIn(2)) cursor.insert({ startblock: 5000 + i * 2, blockcount: 1, refcount: 2, cow: false });
          else if (cursor.edge('first')) cursor.delete();
        }
        allocExtent(tp, { minLength: 1, maxLength: 50, owner: { special: 'inodes' }, data: false });
        throw new Error('stop');
      });
    assert.throws(broken, /stop/);
    assert.equal(checkSpace(mp), []);
    assert.is(snapshot(mp), before);
  }
});

function snapshot(mp: XfsMount): string {
  const records: string[] = [];
  checkTree(refcountbtCursor(mp, 0), [], (record) => records.push(JSON.stringify(record)));
  return `${records.join()} ${Buf(mp.agf(0).bytes)} ${mp.space.free} ${mp.space.available}`;
}

function Buf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

/** Random mapping, unmapping and conversion of one file, until its tree has `levels` levels, and back. */
function growFork(args: string, steps: number, span: number, levels: number): void {
  const random = new Random(seed + levels);
  const path = freshImage(args);
  const fs = openImage(path, random);
  const { mp } = fs;
  const ip = fs.root().create('file', 0o644) as XfsInode;
  const model = new Map<number, { readonly block: number; readonly unwritten: boolean }>();
  const found = new Extent();
  let highest = 0;
  const check = (): void => {
    const complaints = checkSpace(mp);
    if (ip.dataFork.format === 'btree') {
      let blocks = 0;
      const shape = checkTree(bmbtCursor(ip, 'data'), complaints, (record) => {
        blocks += record.blockcount;
        for (let i = 0; i < record.blockcount; i++) {
          const wanted = model.get(record.startoff + i);
          if (wanted?.block !== record.startblock + i || wanted.unwritten !== record.unwritten)
            complaints.push(`file block ${record.startoff + i}`);
        }
      });
      assert.is(blocks, model.size);
      assert.is(shape.records, ip.dataFork.nextents);
      highest = Math.max(highest, shape.levels);
    }
    assert.equal(complaints, []);
  };
  for (let i = 0; i < steps; i++) {
    const off = random.below(span);
    if (random.unit() < (i < steps * 0.6 ? 0.85 : 0.2)) {
      let length = random.between(1, 4);
      while (length > 0 && [...Array(length).keys()].some((k) => model.has(off + k))) length--;
      if (length > 0) mp.transact('map', (tp) => mapSome(tp, length, off));
    } else if (forkLookup(ip, 'data', off, found)) {
      changeSome(found.clone());
    }
    if (i % Math.ceil(steps / 10) === 0) check();
  }
  check();
  assert.ok(highest >= levels, `reached only ${highest} levels`);
  fs.unmount();
  assert.equal(
    repairComplaints(path).filter((line) => !line.includes('V4')),
    [],
  );

  function mapSome(tp: Parameters<Parameters<XfsMount['transact']>[1]>[0], length: number, off: number): void {
    const target = mp.agbToFsb(random.below(mp.agCount), 10 + random.below(mp.agBlocks / 2));
    const got = allocExtent(tp, { target, minLength: 1, maxLength: length, data: true, owner: 'skip' });
    assert.ok(got);
    const unwritten = random.oneIn(5);
    mapExtent(tp, ip, 'data', new Extent().set(off, got.fsb, got.length, unwritten));
    for (let k = 0; k < got.length; k++) model.set(off + k, { block: got.fsb + k, unwritten });
  }

  function changeSome(extent: Extent): void {
    const into = random.below(extent.count);
    const length = random.between(1, extent.count - into);
    const off = extent.off + into;
    const block = extent.block + into;
    const convert = random.oneIn(4);
    mp.transact('change', (tp) => {
      if (convert) return convertExtent(tp, ip, 'data', off, length, !extent.unwritten);
      unmapExtent(tp, ip, 'data', off, length);
      freeExtent(tp, block, length, 'skip');
    });
    for (let k = 0; k < length; k++) {
      if (convert) model.set(off + k, { block: block + k, unwritten: !extent.unwritten });
      else model.delete(off + k);
    }
  }
}

btree('an extent btree grows out of the inode and back: v5, 1 KiB blocks, with rmap', () =>
  growFork('-b size=1024 -m rmapbt=1', rounds(9000), 30_000, 3),
);
btree('an extent btree of four levels: v4, 512-byte blocks', () =>
  growFork('-m crc=0 -b size=512', rounds(26_000), 60_000, 4),
);

btree.run();
