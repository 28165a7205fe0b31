/**
 * The tree cursor against a sorted list: random insertions, deletions, new sizes and searches in all directions, on
 * trees of every node size, with a cache that is too small, through commits after which every block is copied and read
 * again with its verifier.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FsError } from '../../core/errors.ts';
import { ItemType, Key } from '../../formats/btrfs/structure/key.ts';
import { TreeCursor } from '../../formats/btrfs/tree/cursor.ts';
import { announceSeed, Random, rounds } from '../harness/random.ts';
import { MemoryTree } from './btrfs-memory-tree.ts';

const trees = suite('btrfs tree cursor');
const seed = announceSeed('btrfs-tree');

interface Item {
  readonly key: Key;
  size: number;
}

/** What the tree must hold, sorted. The bytes of an item follow from its key. */
class Model {
  readonly items: Item[] = [{ key: new Key(1, ItemType.STRING_ITEM, 0), size: 0 }];

  index(key: Key): number {
    let low = 0;
    let high = this.items.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.items[middle] as Item).key.compare(key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function pattern(key: Key, i: number): number {
  return (key.ol * 31 + key.fl * 7 + i * 13 + 1) & 255;
}

function fill(cursor: TreeCursor, from: number): void {
  for (let i = from; i < cursor.size; i++) cursor.view.setUint8(cursor.at + i, pattern(cursor.key, i));
}

function checkItem(cursor: TreeCursor, item: Item | undefined, what: string): void {
  assert.is(cursor.valid, item !== undefined, what);
  if (item === undefined) return;
  assert.is(cursor.key.compare(item.key), 0, `${what}: ${cursor.key} is ${item.key}`);
  assert.is(cursor.size, item.size, `${what}: size of ${item.key}`);
  for (let i = 0; i < item.size; i++) {
    if (cursor.view.getUint8(cursor.at + i) !== pattern(item.key, i))
      assert.unreachable(`${what}: byte ${i} of ${item.key}`);
  }
}

function randomKey(random: Random, spread: number): Key {
  const types = [ItemType.STRING_ITEM, 40, 254];
  const objectid = random.oneIn(20) ? -1 - random.below(300) : random.below(spread);
  return new Key(objectid, random.pick(types), random.oneIn(10) ? -random.below(9) - 1 : random.below(50));
}

function randomSize(random: Random, most: number): number {
  const kind = random.below(20);
  if (kind === 0) return random.between(0, most);
  if (kind === 1) return most - random.below(40);
  return random.below(kind < 12 ? 60 : Math.min(most, 400));
}

interface Run {
  readonly tree: MemoryTree;
  readonly model: Model;
  readonly random: Random;
  readonly cursor: TreeCursor;
  readonly most: number;
}

function insertOne({ tree, model, random, cursor, most }: Run, key: Key): void {
  const at = model.index(key);
  const size = randomSize(random, most);
  if (model.items[at]?.key.compare(key) === 0) {
    assert.throws(
      () => cursor.insert(key, size),
      (error: unknown) => error instanceof FsError && error.code === 'EEXIST',
    );
    return;
  }
  cursor.insert(key, size);
  for (let i = 0; i < size; i++) assert.is(cursor.view.getUint8(cursor.at + i), 0, 'a new item is zero');
  fill(cursor, 0);
  model.items.splice(at, 0, { key, size });
  checkItem(cursor, model.items[at], 'after insert');
  assert.ok(tree.root.level < 8);
}

function changeOne({ model, random, cursor, most }: Run): void {
  const at = random.below(model.items.length);
  const item = model.items[at] as Item;
  assert.ok(cursor.search(item.key), `${item.key} is there`);
  if (random.oneIn(2)) {
    const old = item.size;
    item.size = randomSize(random, most);
    cursor.resize(item.size);
    for (let i = old; i < item.size; i++) assert.is(cursor.view.getUint8(cursor.at + i), 0, 'grown by zeros');
    fill(cursor, old);
  } else {
    cursor.edit();
    fill(cursor, 0);
  }
  checkItem(cursor, item, 'after change');
}

function deleteSome({ model, random, cursor }: Run, most: number): void {
  if (model.items.length < 2) return;
  let at = random.below(model.items.length);
  assert.ok(cursor.search((model.items[at] as Item).key));
  for (let left = random.between(1, most); left > 0 && cursor.valid && model.items.length > 1; ) {
    let count = 1;
    if (random.oneIn(3)) count = cursor.deleteMany(Math.min(left, model.items.length - 1));
    else cursor.delete();
    model.items.splice(at, count);
    left -= count;
    checkItem(cursor, model.items[at], 'after delete');
  }
  if (cursor.valid && random.oneIn(2)) {
    at--;
    assert.is(cursor.prev(), at >= 0);
    checkItem(cursor, model.items[at], 'before the deleted');
  }
}

function renameOne({ model, random, cursor }: Run): void {
  const at = random.below(model.items.length);
  const item = model.items[at] as Item;
  if (item.size > 0) return;
  const key = item.key.clone();
  const after = model.items[at + 1];
  if (!key.increment() || (after !== undefined && key.compare(after.key) >= 0)) return;
  assert.ok(cursor.search(item.key));
  cursor.setKey(key);
  model.items[at] = { key, size: 0 };
  checkItem(cursor, model.items[at], 'after setKey');
}

function searchOne({ tree, model, random }: Run, spread: number): void {
  const key = random.oneIn(3) ? (random.pick(model.items) as Item).key : randomKey(random, spread);
  const cursor = new TreeCursor(tree.root);
  const at = model.index(key);
  const exact = model.items[at]?.key.compare(key) === 0;
  assert.is(cursor.search(key), exact, `search ${key}`);
  checkItem(cursor, model.items[at], `search ${key}`);
  for (let i = 1; i < 5 && cursor.valid; i++) {
    cursor.next();
    checkItem(cursor, model.items[at + i], `next ${i} of ${key}`);
  }
  const before = exact ? at : at - 1;
  assert.is(cursor.searchBack(key), exact, `searchBack ${key}`);
  checkItem(cursor, model.items[before], `searchBack ${key}`);
  for (let i = 1; i < 5 && cursor.valid; i++) {
    cursor.prev();
    checkItem(cursor, model.items[before - i], `prev ${i} of ${key}`);
  }
  cursor.close();
}

function walk({ tree, model }: Run): void {
  const cursor = new TreeCursor(tree.root);
  let at = 0;
  for (let more = cursor.first(); more; more = cursor.next()) checkItem(cursor, model.items[at++], 'walk');
  assert.is(at, model.items.length, 'all items were met');
}

function play(nodeSize: number, operations: number, random: Random): void {
  const tree = new MemoryTree(nodeSize, random.pick([0, 8, 100000]));
  const model = new Model();
  const most = nodeSize - 126;
  const run: Run = { tree, model, random, cursor: new TreeCursor(tree.root), most };
  const spread = random.pick([50, 5000, 2 ** 40]);
  let rising = 0;
  for (let done = 0; done < operations; done++) {
    const growing = Math.floor(done / (operations / 4)) % 2 === 0;
    const choice = random.below(10);
    if (choice < (growing ? 6 : 2)) {
      // Runs of rising keys, in the middle and at the end, and keys from anywhere.
      const base = random.oneIn(4) ? random.below(spread) : rising;
      const count = random.oneIn(10) ? random.between(1, 60) : 1;
      for (let i = 0; i < count; i++)
        insertOne(run, count === 1 ? randomKey(random, spread) : new Key(base, 253, 1000 + done * 100 + i));
      if (random.oneIn(3)) rising++;
    } else if (choice < (growing ? 7 : 6)) deleteSome(run, growing ? 3 : 40);
    else if (choice < 8) changeOne(run);
    else if (choice < 9) renameOne(run);
    else searchOne(run, spread);
    if (random.oneIn(150)) tree.commit();
    if (random.oneIn(100)) tree.check();
    if (random.oneIn(300)) tree.blocks.trim();
  }
  tree.check();
  walk(run);
}

for (const nodeSize of [4096, 8192, 16384, 32768, 65536]) {
  trees(`random changes, nodes of ${nodeSize}`, () => {
    const random = new Random(seed + nodeSize);
    for (let round = 0; round < rounds(4); round++) play(nodeSize, 1500, random);
  });
}

trees('a tall tree grows and shrinks away', () => {
  const tree = new MemoryTree(4096, 50);
  const model = new Model();
  const random = new Random(seed);
  const cursor = new TreeCursor(tree.root);
  for (let i = 0; i < 40000; i++) {
    cursor.insert(new Key(300 + (i % 2 === 0 ? i : 80000 - i), 253, 0), 1500 + (i % 7) * 200);
    if (i % 5000 === 0) tree.commit();
  }
  assert.ok(tree.check() >= 4, 'three levels of nodes');
  let left = 40001;
  while (left > 1) {
    cursor.search(new Key(300 + random.below(80000), 253, 0));
    if (!cursor.valid) cursor.first();
    for (let i = random.below(500); i > 0 && cursor.valid && left > 1; i--)
      left -= cursor.deleteMany(random.between(1, 9));
    if (random.oneIn(20)) tree.commit();
  }
  assert.is(model.items.length, 1);
  assert.is(tree.check(), 1, 'the tree is a leaf again');
});

trees('a tree may become empty and grow again', () => {
  const tree = new MemoryTree(4096, 50);
  const cursor = new TreeCursor(tree.root);
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 3000; i++) cursor.insert(new Key(i, 40, round), 50);
    cursor.first();
    while (cursor.valid) cursor.delete();
    assert.not(cursor.first());
    assert.is(tree.check(), 1);
    tree.commit();
  }
});

trees('a cursor goes on when another one changes the tree', () => {
  const tree = new MemoryTree(4096, 50);
  const writer = new TreeCursor(tree.root);
  for (let i = 0; i < 2000; i++) writer.insert(new Key(100 + 2 * i, 40, 0), 30);
  const reader = new TreeCursor(tree.root);
  const seen: number[] = [];
  for (let more = reader.first(); more; more = reader.next()) {
    seen.push(reader.key.objectid);
    // Behind it, at it, and ahead of it.
    if (reader.key.objectid % 2 === 0) writer.insert(new Key(reader.key.objectid + 1, 40, 0), 200);
    if (reader.key.objectid % 64 === 0) {
      writer.search(reader.key);
      writer.delete();
    }
  }
  assert.is(seen.length, 4001, 'every item once, and those inserted ahead');
  tree.check();
});

trees.run();
