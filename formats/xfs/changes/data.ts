/** Bytes that are no metadata: whose they are, by the extents of the inodes that changed. */
import { FsError } from '../../../core/errors.ts';
import type { StructureChange } from '../../../core/vfs/changes.ts';
import { forkLookup } from '../bmap-fork.ts';
import { Extent } from '../extent.ts';
import type { XfsMount } from '../mount.ts';
import type { Differing } from './differing.ts';
import type { Pair } from './pair.ts';
import { realtimeData } from './realtime.ts';

export function* dataChanges(pair: Pair, blocks: Differing, inodes: readonly number[]): Generator<StructureChange> {
  for (const ino of inodes) {
    for (const fork of ['data', 'attr'] as const) yield* forkData(pair, blocks, ino, fork);
  }
  yield* nobodys(pair.is, blocks);
}

function* forkData(pair: Pair, blocks: Differing, ino: number, fork: 'data' | 'attr'): Generator<StructureChange> {
  const mp = pair.is;
  if (!inUse(mp, ino)) return;
  const ip = mp.iget(ino);
  if (ip.realtime && fork === 'data') return yield* realtimeData(pair, ip);
  const { format } = fork === 'data' ? ip.dataFork : ip.attrFork;
  if (format !== 'extents' && format !== 'btree') return;
  const extent = new Extent();
  const structure = `inode ${ino}${fork === 'attr' ? ' attr fork' : ''}`;
  let run: { start: number; length: number; addr: number } | null = null;
  for (let off = 0; forkLookup(ip, fork, off, extent); off = extent.end) {
    if (!extent.real) continue;
    const base = mp.fsbToAddr(extent.block);
    const end = base + extent.count * mp.blockSize;
    for (let i = blocks.indexFrom(base); i < blocks.addrs.length; i++) {
      const addr = blocks.addrs[i] as number;
      if (addr >= end) break;
      if (blocks.explained.has(addr)) continue;
      blocks.explained.add(addr);
      const start = extent.off * mp.blockSize + addr - base;
      if (run !== null && run.start + run.length === start) run.length += mp.blockSize;
      else {
        if (run !== null) yield { structure, change: 'data', ...run };
        run = { start, length: mp.blockSize, addr };
      }
    }
  }
  if (run !== null) yield { structure, change: 'data', ...run };
}

function inUse(mp: XfsMount, ino: number): boolean {
  try {
    mp.iget(ino);
    return true;
  } catch (error) {
    // Freed in this state, or not an inode in it.
    if (error instanceof FsError) return false;
    throw error;
  }
}

/** Blocks of nobody who changed: what was freed after it was written. */
function* nobodys(mp: XfsMount, blocks: Differing): Generator<StructureChange> {
  let run: { start: number; length: number } | null = null;
  for (const addr of blocks.open()) {
    if (run !== null && run.start + run.length === addr) run.length += mp.blockSize;
    else {
      if (run !== null) yield { structure: 'unowned blocks', change: 'data', addr: run.start, ...run };
      run = { start: addr, length: mp.blockSize };
    }
  }
  if (run !== null) yield { structure: 'unowned blocks', change: 'data', addr: run.start, ...run };
}
