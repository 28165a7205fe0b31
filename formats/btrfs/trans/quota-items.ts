/**
 * Items of the quota tree: numbers and limits of groups, and which group contains which. Of the keys that stand for
 * groups here only the offset counts: a group's id, level << 48 | number, does not always fit into a number.
 */
import { ItemType, Key } from '../structure/key.ts';
import { QgroupInfoItem } from '../structure/qgroup.ts';
import { TreeCursor } from '../tree/cursor.ts';
import type { TreeRoot } from '../tree/root.ts';

/** What a group gains: bytes referred to, and bytes that nothing outside it refers to. */
export interface Gain {
  rfer: number;
  excl: number;
}

/** Key of the item that says that `from` and `to` belong together. */
export function relation(from: Key, to: Key): Key {
  const key = new Key(0, ItemType.QGROUP_RELATION, 0);
  key.oh = from.fh;
  key.ol = from.fl;
  key.fh = to.fh;
  key.fl = to.fl;
  return key;
}

/** Inserts an item of zeros, and its generation, unless it is there. */
export function insertMissing(root: TreeRoot, key: Key, size: number, generation?: number): void {
  const cursor = new TreeCursor(root);
  if (!cursor.search(key)) {
    cursor.insert(key, size);
    if (generation !== undefined) QgroupInfoItem.set.generation(cursor.view, cursor.at, generation);
  }
  cursor.close();
}

/** The groups that contain `group`. A relation is there twice, under either id; those above have the larger one. */
export function parentGroups(root: TreeRoot, group: Key): Key[] {
  const parents: Key[] = [];
  const from = relation(group, group);
  const cursor = new TreeCursor(root);
  cursor.search(from);
  for (; cursor.valid && cursor.key.type === from.type; cursor.next()) {
    const { oh, ol, fh, fl } = cursor.key;
    if (oh !== from.oh || ol !== from.ol) break;
    const parent = new Key(0, ItemType.QGROUP_INFO, 0);
    parent.fh = fh;
    parent.fl = fl;
    parents.push(parent);
  }
  cursor.close();
  return parents;
}

/** The tree's own group and all that contain it, each once. */
export function groupsAbove(root: TreeRoot, tree: number): Key[] {
  const groups = [new Key(0, ItemType.QGROUP_INFO, tree)];
  for (const group of groups) {
    for (const parent of parentGroups(root, group)) {
      if (!groups.some((known) => known.fh === parent.fh && known.fl === parent.fl)) groups.push(parent);
    }
  }
  return groups;
}

/** Adds to a group's numbers; `compressed`: to those of compressed sizes too, which are kept equal. */
export function addToGroup(root: TreeRoot, group: Key, gain: Gain, generation: number, compressed: boolean): void {
  if (gain.rfer === 0 && gain.excl === 0) return;
  const cursor = new TreeCursor(root);
  if (cursor.search(group)) {
    const { get } = QgroupInfoItem;
    const { view, at } = cursor;
    const sum = { rfer: get.rfer(view, at) + gain.rfer, excl: get.excl(view, at) + gain.excl };
    writeNumbers(cursor, sum, generation, compressed);
  }
  cursor.close();
}

function writeNumbers(cursor: TreeCursor, numbers: Gain, generation: number, compressed: boolean): void {
  cursor.edit();
  const { view, at } = cursor;
  const { set } = QgroupInfoItem;
  set.generation(view, at, generation);
  set.rfer(view, at, numbers.rfer);
  set.excl(view, at, numbers.excl);
  if (!compressed) return;
  set.rfer_cmpr(view, at, numbers.rfer);
  set.excl_cmpr(view, at, numbers.excl);
}

/** Sets the numbers of all groups; those that `numbers` does not know, by the text of their key, have none. */
export function setAllGroups(root: TreeRoot, numbers: ReadonlyMap<string, Gain>, generation: number): void {
  const cursor = new TreeCursor(root);
  cursor.search(new Key(0, ItemType.QGROUP_INFO, 0));
  for (; cursor.valid && cursor.key.type === ItemType.QGROUP_INFO; cursor.next()) {
    writeNumbers(cursor, numbers.get(String(cursor.key)) ?? { rfer: 0, excl: 0 }, generation, true);
  }
  cursor.close();
}
