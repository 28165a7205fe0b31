/** Items of two states of a tree, by key: what came, what went, and which fields changed. */
import type { StructureChange } from '../../../core/vfs/changes.ts';
import { showItem } from '../inspect/items.ts';
import { keyText } from '../inspect/key-text.ts';
import type { BtrfsMount } from '../mount.ts';
import { Incompat } from '../structure/features.ts';
import type { Key } from '../structure/key.ts';

/** An item in its leaf. */
export interface ItemBytes {
  /** The key as text that sorts as keys do. */
  readonly id: string;
  readonly key: Key;
  readonly view: DataView;
  readonly at: number;
  readonly size: number;
}

export function* itemChanges(
  tree: string,
  mp: BtrfsMount,
  old: ReadonlyMap<string, ItemBytes>,
  now: ReadonlyMap<string, ItemBytes>,
): Generator<StructureChange> {
  for (const id of [...new Set([...old.keys(), ...now.keys()])].sort()) {
    const from = old.get(id);
    const to = now.get(id);
    const key = (to ?? from)?.key as Key;
    const structure = `${tree} ${keyText(key)}`;
    if (from === undefined) yield { structure, change: 'add', addr: null, record: linesOf(mp, to as ItemBytes) };
    else if (to === undefined) yield { structure, change: 'remove', addr: null, record: linesOf(mp, from) };
    else if (!sameBytes(from, to)) yield* fieldsOf(structure, mp, from, to);
  }
}

function sameBytes(a: ItemBytes, b: ItemBytes): boolean {
  if (a.size !== b.size) return false;
  const bytes = ({ view, at, size }: ItemBytes) => Buffer.from(view.buffer, view.byteOffset + at, size);
  return bytes(a).equals(bytes(b));
}

function shown(mp: BtrfsMount, { key, view, at, size }: ItemBytes) {
  return showItem({
    key,
    view,
    at,
    size,
    csumSize: mp.csum.size,
    sectorSize: mp.sectorSize,
    simpleQuota: (mp.sb.incompat_flags & Incompat.SIMPLE_QUOTA) !== 0n,
    options: { hideNames: false, checksums: false },
  });
}

function linesOf(mp: BtrfsMount, item: ItemBytes): string {
  const { lines } = shown(mp, item);
  return lines.length === 0 ? `${item.size} bytes` : lines.map((line) => line.trim()).join('; ');
}

function* fieldsOf(structure: string, mp: BtrfsMount, from: ItemBytes, to: ItemBytes): Generator<StructureChange> {
  const old = flattened(shown(mp, from).data);
  const now = flattened(shown(mp, to).data);
  let told = false;
  for (const field of new Set([...now.keys(), ...old.keys()])) {
    const [before, after] = [old.get(field) ?? null, now.get(field) ?? null];
    if (before === after) continue;
    told = true;
    yield { structure, change: 'field', addr: null, field, from: before, to: after };
  }
  // Checksums and bitmaps are told by their size.
  if (!told)
    yield {
      structure,
      change: 'field',
      addr: null,
      field: 'contents',
      from: `${from.size} bytes`,
      to: `${to.size} bytes`,
    };
}

/** Values by their path: `inode.size`, `refs[0].name`. */
function flattened(data: unknown, prefix = '', into = new Map<string, string>()): Map<string, string> {
  if (Array.isArray(data)) for (const [i, part] of data.entries()) flattened(part, `${prefix}[${i}]`, into);
  else if (typeof data === 'object' && data !== null) {
    for (const [name, part] of Object.entries(data)) flattened(part, prefix === '' ? name : `${prefix}.${name}`, into);
  } else into.set(prefix, String(data));
  return into;
}
