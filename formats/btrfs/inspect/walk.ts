/** The blocks of a tree in the order in which dump-tree shows them. What cannot be read is told in its place. */
import { corrupt, FsError } from '../../../core/errors.ts';
import { sealMatches } from '../checksum.ts';
import type { BtrfsMount } from '../mount.ts';
import {
  HEADER_SIZE,
  Header,
  ITEM_SIZE,
  Item,
  KEY_PTR_SIZE,
  KeyPtr,
  leafDataSize,
  MAX_LEVEL,
} from '../structure/block.ts';
import { readU64 } from '../structure/fields.ts';
import { ItemType, Key } from '../structure/key.ts';
import { ROOT_ITEM_LEGACY_SIZE, RootItem } from '../structure/root.ts';
import { TreeBlock } from '../tree/blocks.ts';

/** A block, perhaps with what is wrong with its items; or why there is none. */
export type Visit =
  | { readonly block: TreeBlock; readonly error: FsError | null }
  | { readonly block: null; readonly bytenr: number; readonly error: FsError };

/** Where a block is, and what is known of it. Generation 0: not known. */
export interface Pointer {
  readonly bytenr: number;
  readonly level: number;
  readonly generation: number;
}

/** What is at an address, by its own header. @throws FsError EIO, EUCLEAN in no chunk, EINVAL unaligned */
export function pointerTo(mp: BtrfsMount, bytenr: number): Pointer {
  if (bytenr % mp.sectorSize !== 0)
    throw new FsError('EINVAL', { detail: `${bytenr} is not aligned to sectors of ${mp.sectorSize}` });
  const known = mp.blocks.cached(bytenr);
  if (known !== undefined) return { bytenr, level: known.level, generation: 0 };
  const bytes = new Uint8Array(mp.nodeSize);
  for (let mirror = 1; mirror <= mp.space.mirrors(bytenr); mirror++) {
    mp.space.readMirror(bytenr, bytes, mirror);
    if (sealMatches(mp.csum, bytes)) break;
  }
  const level = bytes[Header.at.level] as number;
  return { bytenr, level: level < MAX_LEVEL ? level : 0, generation: 0 };
}

/** The block at `pointer`, verified; or what is wrong with it. */
export function visit(mp: BtrfsMount, pointer: Pointer): Visit {
  const { bytenr, level, generation } = pointer;
  try {
    return { block: mp.blocks.read(bytenr, level, generation, 0), error: null };
  } catch (error) {
    if (!(error instanceof FsError)) throw error;
    const block = error.code === 'EUCLEAN' ? damagedBlock(mp, pointer) : null;
    return block === null ? { block, bytenr, error } : { block, error };
  }
}

/** A block that is the right one by checksum, place, level and age, whatever its items are; null if no copy is. */
function damagedBlock(mp: BtrfsMount, { bytenr, level, generation }: Pointer): TreeBlock | null {
  try {
    for (let mirror = 1; mirror <= mp.space.mirrors(bytenr); mirror++) {
      const block = new TreeBlock(bytenr, new Uint8Array(mp.nodeSize));
      if (!readable(mp, block, mirror)) continue;
      const own = Header.get.bytenr(block.view, 0) === bytenr && block.level === level;
      if (own && (generation === 0 || block.generation === generation) && sealMatches(mp.csum, block.bytes))
        return block;
    }
  } catch (error) {
    // In no chunk, or an address that no block has.
    if (!(error instanceof FsError)) throw error;
  }
  return null;
}

function readable(mp: BtrfsMount, { bytenr, bytes }: TreeBlock, mirror: number): boolean {
  try {
    mp.space.readMirror(bytenr, bytes, mirror);
    return true;
  } catch (error) {
    if (error instanceof FsError) return false;
    throw error;
  }
}

function* pointers(node: TreeBlock): Generator<Pointer> {
  const { view } = node;
  if (node.level === 0) return;
  const level = node.level - 1;
  for (let slot = 0; slot < node.nritems; slot++) {
    const at = HEADER_SIZE + slot * KEY_PTR_SIZE;
    yield { bytenr: KeyPtr.get.blockptr(view, at), level, generation: KeyPtr.get.generation(view, at) };
  }
}

/** A walk through one tree: a block that it has met before leads no further, or a damaged tree would never end. */
class Walk {
  private readonly mp: BtrfsMount;
  private readonly met = new Set<number>();

  constructor(mp: BtrfsMount) {
    this.mp = mp;
  }

  visit(pointer: Pointer): Visit {
    const { bytenr } = pointer;
    if (this.met.has(bytenr))
      return { block: null, bytenr, error: corrupt({ structure: `block ${bytenr}`, rule: 'twice in one tree' }) };
    this.met.add(bytenr);
    return visit(this.mp, pointer);
  }
}

/** The block at `top`, then all blocks of the level below, and so on. What is damaged leads no further. */
export function* breadthFirst(mp: BtrfsMount, top: Pointer): Generator<Visit> {
  const walk = new Walk(mp);
  let row: Pointer[] = [top];
  while (row.length > 0) {
    const below: Pointer[] = [];
    for (const pointer of row) {
      const visited = walk.visit(pointer);
      yield visited;
      if (visited.block !== null && visited.error === null)
        for (const child of pointers(visited.block)) below.push(child);
    }
    row = below;
  }
}

/** The block at `top`, then each child with all that is below it. */
export function* depthFirst(mp: BtrfsMount, top: Pointer): Generator<Visit> {
  yield* descend(new Walk(mp), top);
}

function* descend(walk: Walk, top: Pointer): Generator<Visit> {
  const visited = walk.visit(top);
  yield visited;
  if (visited.block !== null && visited.error === null)
    for (const pointer of pointers(visited.block)) yield* descend(walk, pointer);
}

/** A ROOT_ITEM: its key, and where its tree begins. */
export interface RootEntry {
  readonly key: Key;
  readonly top: Pointer;
}

/** The ROOT_ITEMs of a tree of trees in order, those in damaged leaves too. */
export function* rootEntries(mp: BtrfsMount, tree: Pointer): Generator<RootEntry> {
  for (const { block } of depthFirst(mp, tree)) {
    if (block === null || block.level > 0) continue;
    const { view } = block;
    const count = Math.min(block.nritems, Math.floor(leafDataSize(mp.nodeSize) / ITEM_SIZE));
    for (let slot = 0; slot < count; slot++) {
      const header = HEADER_SIZE + slot * ITEM_SIZE;
      const key = new Key().read(view, header);
      const at = HEADER_SIZE + Item.get.offset(view, header);
      const size = Item.get.size(view, header);
      if (key.type !== ItemType.ROOT_ITEM || size < ROOT_ITEM_LEGACY_SIZE || at + size > mp.nodeSize) continue;
      const top = {
        bytenr: readU64(view, at + RootItem.at.bytenr),
        level: RootItem.get.level(view, at),
        generation: readU64(view, at + RootItem.at.generation),
      };
      yield { key, top };
    }
  }
}
