/** The blocks of a tree in the order in which dump-tree shows them. What cannot be read is told in its place. */
import { FsError } from '../../../core/errors.ts';
import type { BtrfsMount } from '../mount.ts';
import { HEADER_SIZE, Header, KEY_PTR_SIZE, KeyPtr, MAX_LEVEL } from '../structure/block.ts';
import type { TreeBlock } from '../tree/blocks.ts';

/** A block, or why there is none. */
export type Visit = { readonly block: TreeBlock } | { readonly bytenr: number; readonly error: FsError };

interface Pointer {
  readonly bytenr: number;
  readonly level: number;
  readonly generation: number;
}

/** Reads a block of any level: what the header says is then verified. @throws FsError EUCLEAN, EIO, EINVAL unaligned */
export function readBlock(mp: BtrfsMount, bytenr: number): TreeBlock {
  if (bytenr % mp.sectorSize !== 0)
    throw new FsError('EINVAL', { detail: `${bytenr} is not aligned to sectors of ${mp.sectorSize}` });
  const known = mp.blocks.cached(bytenr);
  if (known !== undefined) return known;
  const bytes = new Uint8Array(mp.nodeSize);
  mp.space.readMirror(bytenr, bytes, 1);
  const level = bytes[Header.at.level] as number;
  return mp.blocks.read(bytenr, level < MAX_LEVEL ? level : 0, 0, 0);
}

function visit(mp: BtrfsMount, { bytenr, level, generation }: Pointer): Visit {
  try {
    return { block: mp.blocks.read(bytenr, level, generation, 0) };
  } catch (error) {
    if (error instanceof FsError) return { bytenr, error };
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

/** `top`, then all blocks of the level below, and so on. */
export function* breadthFirst(mp: BtrfsMount, top: TreeBlock): Generator<Visit> {
  yield { block: top };
  let row: Pointer[] = [...pointers(top)];
  while (row.length > 0) {
    const below: Pointer[] = [];
    for (const pointer of row) {
      const visited = visit(mp, pointer);
      yield visited;
      if ('block' in visited) for (const child of pointers(visited.block)) below.push(child);
    }
    row = below;
  }
}

/** `top`, then each child with all that is below it. */
export function* depthFirst(mp: BtrfsMount, top: TreeBlock): Generator<Visit> {
  yield { block: top };
  for (const pointer of pointers(top)) {
    const visited = visit(mp, pointer);
    if ('block' in visited) yield* depthFirst(mp, visited.block);
    else yield visited;
  }
}
