/**
 * The space of an image, by flex group. There is no reverse map: what belongs to whom only the inodes know, so all of them
 * are asked, and what they say is put in order.
 */
import type { SpaceBand, SpaceMap, SpaceRun, SpaceUse } from '../../../core/vfs/space-map.ts';
import type { Ext4Mount } from '../mount.ts';
import { baseMetaBlocks } from '../system-zones.ts';
import { freeExtents } from './free-extents.ts';
import { scanInodes } from './inode-scan.ts';
import { ownedBlocks } from './owned-blocks.ts';

/** What runs are for, and how their owner is called after its number. */
const KINDS: readonly (readonly [use: SpaceUse, owner: string])[] = [
  ['free', ''],
  ['metadata', 'superblock and descriptors'],
  ['metadata', 'bitmaps'],
  ['inodes', 'inode table'],
  ['log', ''],
  ['data', ''],
  ['prealloc', ''],
  ['metadata', 'extent map'],
  ['metadata', 'attributes'],
];
const Kind = {
  FREE: 0,
  HEADERS: 1,
  BITMAPS: 2,
  TABLE: 3,
  LOG: 4,
  DATA: 5,
  UNWRITTEN: 6,
  MAP: 7,
  ATTRIBUTES: 8,
} as const;
const OWNED = { data: Kind.DATA, unwritten: Kind.UNWRITTEN, map: Kind.MAP, attributes: Kind.ATTRIBUTES } as const;

export function ext4SpaceMap(mp: Ext4Mount): SpaceMap {
  return {
    bands: bands(mp),
    runs: (visit) => tell(mp, allRuns(mp), visit),
    // No two files share a block.
    sharers: () => [],
  };
}

function bands(mp: Ext4Mount): SpaceBand[] {
  const flex = mp.incompat('flex_bg') ? 2 ** mp.sb.log_groups_per_flex : 1;
  const found: SpaceBand[] = [];
  for (let group = 0; group < mp.groupCount; group += flex) {
    const last = Math.min(mp.groupCount, group + flex) - 1;
    const start = group === 0 ? 0 : mp.groupStart(group);
    const end = mp.groupStart(last) + mp.groupSize(last);
    const name = last === group ? `group ${group}` : `groups ${group}-${last}`;
    found.push({ name, addr: start * mp.blockSize, length: (end - start) * mp.blockSize });
  }
  return found;
}

/** Runs in columns: there may be a million. */
class Runs {
  readonly start: number[] = [];
  readonly length: number[] = [];
  readonly kind: number[] = [];
  /** An inode; 0 for the format itself, a group for its table. */
  readonly owner: number[] = [];

  push(start: number, length: number, kind: number, owner: number): void {
    this.start.push(start);
    this.length.push(length);
    this.kind.push(kind);
    this.owner.push(owner);
  }

  /** The places of runs by their start. */
  order(): Uint32Array {
    const { start } = this;
    return Uint32Array.from(start, (_, i) => i).sort((a, b) => (start[a] as number) - (start[b] as number));
  }
}

function allRuns(mp: Ext4Mount): Runs {
  const runs = new Runs();
  const { groups } = mp;
  if (mp.firstDataBlock > 0) runs.push(0, mp.firstDataBlock, Kind.HEADERS, 0);
  for (let group = 0; group < mp.groupCount; group++) {
    const base = baseMetaBlocks(mp, group);
    if (base > 0) runs.push(mp.groupStart(group), base, Kind.HEADERS, 0);
    runs.push(groups.blockBitmap(group), 1, Kind.BITMAPS, 0);
    runs.push(groups.inodeBitmap(group), 1, Kind.BITMAPS, 0);
    runs.push(groups.inodeTable(group), mp.tableBlocks, Kind.TABLE, group);
  }
  freeExtents(mp, (block, length) => {
    runs.push(block, length, Kind.FREE, 0);
    return true;
  });
  // What is damaged has no owner here: its blocks stay unknown.
  scanInodes(
    mp,
    (ip) => {
      const log = ip.ino === mp.sb.journal_inum;
      ownedBlocks(ip, (block, length, use) => {
        runs.push(block, length, log ? Kind.LOG : OWNED[use], ip.ino);
        return true;
      });
      return true;
    },
    () => {},
  );
  return runs;
}

/** Shows the runs by rising address; what lies between them nobody owns, and of two that overlap the first one counts. */
function tell({ blockSize, blocks }: Ext4Mount, runs: Runs, visit: (run: SpaceRun) => boolean): void {
  let next = 0;
  const show = (start: number, end: number, use: SpaceUse, owner: string): boolean => {
    next = end;
    return visit({ addr: start * blockSize, length: (end - start) * blockSize, use, owner });
  };
  for (const i of runs.order()) {
    const start = Math.max(next, runs.start[i] as number);
    const end = (runs.start[i] as number) + (runs.length[i] as number);
    if (end <= start) continue;
    if (start > next && !show(next, start, 'unknown', '')) return;
    const [use, name] = KINDS[runs.kind[i] as number] as (typeof KINDS)[number];
    if (!show(start, end, use, ownerText(runs.kind[i] as number, runs.owner[i] as number, name))) return;
  }
  if (next < blocks) show(next, blocks, 'unknown', '');
}

function ownerText(kind: number, owner: number, name: string): string {
  if (kind === Kind.TABLE) return `${name} of group ${owner}`;
  if (kind < Kind.DATA) return name;
  return name === '' ? `inode ${owner}` : `inode ${owner} ${name}`;
}
