/** The space of an XFS image, by allocation group. */
import type { SpaceBand, SpaceMap, SpaceRun, SpaceUse } from '../../../core/vfs/space-map.ts';
import { forkLookup } from '../bmap-fork.ts';
import { Extent } from '../extent.ts';
import type { XfsMount } from '../mount.ts';
import { type FsmapEntry, type FsmapSpecial, fsmap } from './fsmap.ts';
import { allocatedInodes, inodeGroups } from './inode-walk.ts';

/** Inodes that are asked for what they share, where no reverse map says it. */
const SHARER_LIMIT = 50_000;

const USES: Readonly<Record<FsmapSpecial, SpaceUse>> = {
  free: 'free',
  unknown: 'unknown',
  fs: 'metadata',
  log: 'log',
  ag: 'metadata',
  inobt: 'metadata',
  inodes: 'inodes',
  refc: 'metadata',
  cow: 'staged',
};
const NAMES: Partial<Record<FsmapSpecial, string>> = {
  fs: 'headers',
  ag: 'free-space btrees',
  inobt: 'inode btrees',
  refc: 'refcount btree',
};

export function xfsSpaceMap(mp: XfsMount): SpaceMap {
  const bands = Array.from({ length: mp.agCount }, (_, agno): SpaceBand => {
    return { name: `ag ${agno}`, addr: mp.agbToAddr(agno, 0), length: mp.agSize(agno) * mp.blockSize };
  });
  return {
    bands,
    runs: (visit) => runs(mp, visit),
    sharers: (ino, addr, length) => (mp.features.rmapbt ? byReverseMap : byInodes)(mp, ino, addr, length),
  };
}

function runs(mp: XfsMount, visit: (run: SpaceRun) => boolean): void {
  const known = mp.features.rmapbt ? [] : knownPlaces(mp);
  let next = 0;
  fsmap(mp, 'data', { start: 0, end: Number.MAX_SAFE_INTEGER }, (entry) => {
    const run = { addr: entry.physical, length: entry.length, use: useOf(entry), owner: ownerOf(entry) };
    while (next < known.length && endOf(known[next] as SpaceRun) <= run.addr) next++;
    if (run.use !== 'unknown') return visit(run);
    let addr = run.addr;
    for (let i = next; i < known.length && (known[i] as SpaceRun).addr < endOf(run); i++) {
      const place = known[i] as SpaceRun;
      const end = Math.min(endOf(place), endOf(run));
      if (place.addr > addr && !visit({ ...run, addr, length: place.addr - addr })) return false;
      const start = Math.max(place.addr, addr);
      if (!visit({ ...place, addr: start, length: end - start })) return false;
      addr = end;
    }
    return addr >= endOf(run) || visit({ ...run, addr, length: endOf(run) - addr });
  });
}

const endOf = ({ addr, length }: { addr: number; length: number }): number => addr + length;

/** What is where without a reverse map: the headers, the log, the inodes. By rising address. */
function knownPlaces(mp: XfsMount): SpaceRun[] {
  const found: SpaceRun[] = [];
  for (let agno = 0; agno < mp.agCount; agno++) {
    const length = Math.ceil((4 * mp.sectorSize) / mp.blockSize) * mp.blockSize;
    found.push({ addr: mp.agbToAddr(agno, 0), length, use: 'metadata', owner: 'headers' });
  }
  if (mp.logStart > 0)
    found.push({ addr: mp.fsbToAddr(mp.logStart), length: mp.logBlocks * mp.blockSize, use: 'log', owner: '' });
  inodeGroups(mp, 0, ({ startino }) => {
    const addr = mp.agbToAddr(mp.inoToAgno(startino), mp.inoToAgbno(startino));
    found.push({ addr, length: mp.blocksPerAlloc * mp.blockSize, use: 'inodes', owner: `inodes from ${startino}` });
    return true;
  });
  return found.sort((a, b) => a.addr - b.addr);
}

function useOf({ owner, attrFork, extentMap, prealloc, shared }: FsmapEntry): SpaceUse {
  if (typeof owner !== 'number') return USES[owner];
  if (attrFork || extentMap) return 'metadata';
  return shared ? 'shared' : prealloc ? 'prealloc' : 'data';
}

function ownerOf({ owner, attrFork, extentMap }: FsmapEntry): string {
  if (typeof owner !== 'number') return NAMES[owner] ?? '';
  return `inode ${owner}${extentMap ? ' extent map' : attrFork ? ' attributes' : ''}`;
}

function byReverseMap(mp: XfsMount, ino: number, addr: number, length: number): number[] {
  const found = new Set<number>();
  fsmap(mp, 'data', { start: addr, end: addr + length - 1 }, ({ owner }) => {
    if (typeof owner === 'number' && owner !== ino) found.add(owner);
    return true;
  });
  return [...found].sort((a, b) => a - b);
}

/** Without a reverse map only the files themselves know. */
function byInodes(mp: XfsMount, ino: number, addr: number, length: number): number[] | null {
  const found: number[] = [];
  const extent = new Extent();
  let asked = 0;
  allocatedInodes(mp, 0, (other) => {
    if (other === ino) return true;
    const ip = mp.iget(other);
    if (ip.kind !== 'file' || ip.realtime || (ip.dataFork.format !== 'extents' && ip.dataFork.format !== 'btree'))
      return true;
    if (++asked > SHARER_LIMIT) return false;
    for (let off = 0; forkLookup(ip, 'data', off, extent); off = extent.end) {
      if (!extent.real) continue;
      const start = mp.fsbToAddr(extent.block);
      if (start >= addr + length || start + extent.count * mp.blockSize <= addr) continue;
      found.push(other);
      break;
    }
    return true;
  });
  return asked > SHARER_LIMIT ? null : found;
}
