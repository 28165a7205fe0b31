/** The items of two trees in those leaves that only one of them has. */
import type { BtrfsMount } from '../mount.ts';
import { HEADER_SIZE, ITEM_SIZE, Item, KEY_PTR_SIZE, KeyPtr } from '../structure/block.ts';
import { Key } from '../structure/key.ts';
import type { TreeBlock } from '../tree/blocks.ts';
import type { ItemBytes } from './items.ts';

/** A block that a node points to. */
interface Child {
  readonly bytenr: number;
  readonly generation: number;
}

interface Row {
  readonly level: number;
  readonly children: readonly Child[];
}

/**
 * Walks both trees down, level by level. What both point to is left out: a block no younger than generation `shared`
 * without being read, a leaf that is if it has the same bytes.
 */
export function changedLeaves(
  was: BtrfsMount,
  old: TreeBlock | null,
  is: BtrfsMount,
  now: TreeBlock | null,
  shared: number,
): { readonly old: Iterable<ItemBytes>; readonly now: Iterable<ItemBytes> } {
  let a = rowOf(old);
  let b = rowOf(now);
  for (;;) {
    if (a.level === b.level || a.children.length === 0 || b.children.length === 0) [a, b] = withoutCommon(a, b, shared);
    if (a.level === 0 && b.level === 0) break;
    const top = Math.max(a.level, b.level);
    if (a.level === top) a = expanded(was, a);
    if (b.level === top) b = expanded(is, b);
  }
  [a, b] = withoutEqual(was, a, is, b);
  return { old: itemsOf(was, a), now: itemsOf(is, b) };
}

function rowOf(top: TreeBlock | null): Row {
  if (top === null) return { level: 0, children: [] };
  return { level: top.level, children: [{ bytenr: top.bytenr, generation: top.generation }] };
}

const nameOf = ({ bytenr, generation }: Child): string => `${bytenr} ${generation}`;

function withoutCommon(a: Row, b: Row, shared: number): [Row, Row] {
  const old = ({ children }: Row) => children.filter(({ generation }) => generation <= shared);
  const inA = new Set(old(a).map(nameOf));
  const inB = new Set(old(b).map(nameOf));
  return [
    { level: a.level, children: a.children.filter((child) => !inB.has(nameOf(child))) },
    { level: b.level, children: b.children.filter((child) => !inA.has(nameOf(child))) },
  ];
}

function withoutEqual(was: BtrfsMount, a: Row, is: BtrfsMount, b: Row): [Row, Row] {
  const inB = new Map(b.children.map((child) => [nameOf(child), child]));
  const equal = new Set<string>();
  for (const child of a.children) {
    if (!inB.has(nameOf(child))) continue;
    const [one, other] = [was, is].map((mp) => mp.blocks.read(child.bytenr, 0, child.generation, 0).bytes);
    if (Buffer.compare(one as Uint8Array, other as Uint8Array) === 0) equal.add(nameOf(child));
  }
  const left = ({ children }: Row) => ({ level: 0, children: children.filter((child) => !equal.has(nameOf(child))) });
  return [left(a), left(b)];
}

function expanded(mp: BtrfsMount, { level, children }: Row): Row {
  const below: Child[] = [];
  for (const { bytenr, generation } of children) {
    const { view, nritems } = mp.blocks.read(bytenr, level, generation, 0);
    for (let slot = 0; slot < nritems; slot++) {
      const at = HEADER_SIZE + slot * KEY_PTR_SIZE;
      below.push({ bytenr: KeyPtr.get.blockptr(view, at), generation: KeyPtr.get.generation(view, at) });
    }
  }
  return { level: level - 1, children: below };
}

function* itemsOf(mp: BtrfsMount, { children }: Row): Generator<ItemBytes> {
  for (const { bytenr, generation } of children) {
    const { view, nritems } = mp.blocks.read(bytenr, 0, generation, 0);
    for (let slot = 0; slot < nritems; slot++) {
      const at = HEADER_SIZE + slot * ITEM_SIZE;
      const key = new Key().read(view, at);
      const { oh, ol, type, fh, fl } = key;
      const id = [oh, ol, type, fh, fl].map((part) => part.toString(16).padStart(8, '0')).join();
      yield { id, key, view, at: HEADER_SIZE + Item.get.offset(view, at), size: Item.get.size(view, at) };
    }
  }
}
