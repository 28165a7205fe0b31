/**
 * Blocks of metadata that say themselves what they are: btree blocks (their headers and inner nodes; records are the
 * trees' business), directories, attributes, symbolic links. A block counts as what its verifier accepts.
 */
import { Buf, type BufOps } from '../../../core/buffer-cache.ts';
import type { StructureChange } from '../../../core/vfs/changes.ts';
import { type Printed, printAll } from '../inspect/field.ts';
import { asBlock, type BlockType, blockType } from '../inspect/types.ts';
import type { XfsMount } from '../mount.ts';
import type { MountOps } from '../verify/ops.ts';
import type { Differing } from './differing.ts';
import { fieldChanges } from './fields.ts';
import { bytesAt, type Pair } from './pair.ts';

interface Look {
  /** What the structure is called. */
  readonly name: string;
  /** xfs_db's type of it, in v5 and v4 images. */
  readonly type: readonly [string, string];
  readonly inGroup?: true;
}

const DIR = ['dir3', 'dir2'] as const;
const ATTR = ['attr3', 'attr'] as const;
const LOOKS: Partial<Record<keyof MountOps, Look>> = {
  bnobt: { name: 'bnobt', type: ['bnobt', 'bnobt'], inGroup: true },
  cntbt: { name: 'cntbt', type: ['cntbt', 'cntbt'], inGroup: true },
  inobt: { name: 'inobt', type: ['inobt', 'inobt'], inGroup: true },
  finobt: { name: 'finobt', type: ['finobt', 'finobt'], inGroup: true },
  rmapbt: { name: 'rmapbt', type: ['rmapbt', 'rmapbt'], inGroup: true },
  refcountbt: { name: 'refcountbt', type: ['refcntbt', 'refcntbt'], inGroup: true },
  bmbt: { name: 'bmbt', type: ['bmapbtd', 'bmapbtd'] },
  dirBlock: { name: 'dir', type: DIR },
  dirData: { name: 'dir', type: DIR },
  dirLeaf1: { name: 'dir', type: DIR },
  dirLeafn: { name: 'dir', type: DIR },
  dirFree: { name: 'dir', type: DIR },
  attrLeaf: { name: 'attr', type: ATTR },
  attrRemote: { name: 'attr', type: ATTR },
  daNode: { name: 'danode', type: DIR },
  symlink: { name: 'symlink', type: ['symlink', 'symlink'] },
};

interface Typed {
  readonly look: Look;
  readonly fields: readonly Printed[];
}

export function* blockChanges({ was, is }: Pair, blocks: Differing): Generator<StructureChange> {
  for (const addr of [...blocks.open()]) {
    if (blocks.explained.has(addr)) continue;
    const found = findTyped(is, addr) ?? findTyped(was, addr);
    if (found === null) continue;
    const { start, length } = found;
    blocks.explain(start, length, is.blockSize);
    const old = typedAt(was, start);
    const now = typedAt(is, start);
    if (old !== null && (now === null || now.look !== old.look))
      yield { structure: nameOf(was, start, old), change: 'remove', addr: start };
    if (now === null) continue;
    const structure = nameOf(is, start, now);
    const same = old !== null && old.look === now.look;
    if (!same) yield { structure, change: 'add', addr: start };
    const leaf = now.fields.some(({ name, value }) => name === 'level' && value === 0);
    const skip = (name: string) => leaf && name === 'recs';
    yield* fieldChanges(structure, start, same ? old.fields : [], now.fields, skip);
  }
}

/** The structure that the block belongs to, which may have begun some blocks before it. */
function findTyped(mp: XfsMount, addr: number): { start: number; length: number } | null {
  for (let start = addr; start > addr - mp.dirBlockSize && start >= 0; start -= mp.blockSize) {
    const typed = typedAt(mp, start);
    if (typed === null) continue;
    const length = typed.look.name === 'dir' ? mp.dirBlockSize : mp.blockSize;
    if (start + length > addr) return { start, length };
  }
  return null;
}

/** What the verifiers take the bytes for, or null. */
function typedAt(mp: XfsMount, addr: number): Typed | null {
  const block = contentAt(mp, addr, mp.blockSize);
  const dirBlock = mp.dirBlockSize === mp.blockSize ? block : contentAt(mp, addr, mp.dirBlockSize);
  for (const [key, look] of Object.entries(LOOKS) as [keyof MountOps, Look][]) {
    const bytes = look.type === DIR ? dirBlock : block;
    if (bytes === null || !looksLike(mp.ops[key], addr, bytes)) continue;
    const type = blockType(mp, look.type[mp.features.v5 ? 0 : 1]) as BlockType;
    if (type.fields === null) continue;
    return { look, fields: printAll(asBlock(mp, type, bytes), type.fields) };
  }
  return null;
}

/** The bytes there; null where they end beyond the device, or are zeros: nothing, whatever a lenient verifier says. */
function contentAt(mp: XfsMount, addr: number, length: number): Uint8Array | null {
  if (addr + length > mp.device.size) return null;
  const bytes = bytesAt(mp.device, addr, length);
  for (const byte of bytes) if (byte !== 0) return bytes;
  return null;
}

function looksLike(ops: BufOps, addr: number, bytes: Uint8Array): boolean {
  return ops.verify(new Buf([{ addr, length: bytes.length }], bytes, ops)) === null;
}

function nameOf(mp: XfsMount, addr: number, { look, fields }: Typed): string {
  const fsb = mp.addrToFsb(addr);
  if (look.inGroup) return `${look.name} ag ${mp.fsbToAgno(fsb)} block ${mp.fsbToAgbno(fsb)}`;
  const owner = fields.find(({ name }) => /(^|\.)owner$/.test(name))?.value;
  return owner === undefined ? `${look.name} block ${fsb}` : `${look.name} inode ${owner} block ${fsb}`;
}
