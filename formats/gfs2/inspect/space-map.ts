/**
 * The space of a gfs2 image, by resource group. The bitmaps say what is free and where dinodes are; whose the other
 * blocks are only the inodes know, so all of them are asked, once.
 */
import { FsError } from '../../../core/errors.ts';
import type { SpaceBand, SpaceMap, SpaceRun, SpaceUse } from '../../../core/vfs/space-map.ts';
import type { Gfs2Mount } from '../mount.ts';
import type { ResourceGroup } from '../rgrps.ts';
import { BLOCKS_PER_BYTE, BlockState } from '../structure/rgrp.ts';
import { ownedBlocks } from './owned-blocks.ts';

const USES: readonly SpaceUse[] = ['data', 'prealloc', 'metadata', 'log'];

export function gfs2SpaceMap(mp: Gfs2Mount): SpaceMap {
  const bands = mp.rgrps.all.map((group): SpaceBand => {
    const blocks = group.data0 + group.data - group.addr;
    return { name: `rg ${group.index}`, addr: group.addr * mp.blockSize, length: blocks * mp.blockSize };
  });
  // No block belongs to two files.
  return { bands, runs: (visit) => runs(mp, visit), sharers: () => [] };
}

function runs(mp: Gfs2Mount, visit: (run: SpaceRun) => boolean): void {
  const owners = new Owners(mp);
  const { blockSize } = mp;
  let at = 0;
  const tell = (to: number, use: SpaceUse, owner: string): boolean => {
    if (to <= at) return true;
    const run = { addr: at * blockSize, length: (to - at) * blockSize, use, owner };
    at = to;
    return visit(run);
  };
  if (!tell(mp.superBlock, 'unknown', 'before the superblock')) return;
  if (!tell(mp.superBlock + 1, 'metadata', 'superblock')) return;
  for (const group of mp.rgrps.all) {
    if (!tell(group.addr, 'unknown', 'between resource groups')) return;
    if (!tell(group.addr + group.length, 'metadata', `rg ${group.index}`)) return;
    if (!tell(group.data0, 'unknown', 'between resource groups')) return;
    for (const [state, end] of stateRuns(mp, group)) {
      if (state === BlockState.FREE) {
        if (!tell(end, 'free', '')) return;
      } else if (state === BlockState.USED) {
        if (!owners.tell(at, end, tell)) return;
      } else
        while (at < end)
          if (!tell(at + 1, 'inodes', `inode ${at}${state === BlockState.UNLINKED ? ', unlinked' : ''}`)) return;
    }
  }
  tell(mp.blocks, 'unknown', 'behind the last resource group');
}

/** Runs of blocks of one state in a group: the state, and the block behind. @throws FsError EUCLEAN, EIO */
export function* stateRuns(mp: Gfs2Mount, group: ResourceGroup): Generator<readonly [number, number], void, undefined> {
  let before = -1;
  for (let byte = 0; byte * BLOCKS_PER_BYTE < group.data; byte++) {
    const { buf, at } = mp.rgrps.bitmap(group, byte);
    const bits = buf.bytes[at] as number;
    for (let i = 0; i < BLOCKS_PER_BYTE; i++) {
      const block = byte * BLOCKS_PER_BYTE + i;
      if (block >= group.data) break;
      const state = (bits >>> (i * 2)) & 3;
      if (state !== before && before >= 0) yield [before, group.data0 + block];
      before = state;
    }
  }
  if (before >= 0) yield [before, group.data0 + group.data];
}

/** Runs of blocks with what they are for and whose they are, by address; in columns, for there may be millions. */
class Owners {
  private readonly order: Float64Array;
  private readonly blocks: number[] = [];
  private readonly counts: number[] = [];
  private readonly inodes: number[] = [];
  private readonly uses: number[] = [];
  private next = 0;

  constructor(mp: Gfs2Mount) {
    const journals = new Set(mp.system.journals.map(({ ino }) => ino));
    for (const group of mp.rgrps.all) {
      let at = group.data0;
      for (const [state, end] of stateRuns(mp, group)) {
        if (state === BlockState.DINODE || state === BlockState.UNLINKED)
          for (let ino = at; ino < end; ino++) this.add(mp, ino, journals.has(ino));
        at = end;
      }
    }
    this.order = new Float64Array(this.blocks.length).map((_, i) => i);
    this.order.sort((a, b) => (this.blocks[a] as number) - (this.blocks[b] as number));
  }

  private add(mp: Gfs2Mount, ino: number, isJournal: boolean): void {
    try {
      ownedBlocks(mp.iget(ino), isJournal, (block, count, use) => {
        this.blocks.push(block);
        this.counts.push(count);
        this.inodes.push(ino);
        this.uses.push(USES.indexOf(use));
      });
    } catch (error) {
      // The blocks of a dinode that cannot be read are nobody's.
      if (!(error instanceof FsError) || error.code !== 'EUCLEAN') throw error;
    }
  }

  /** Tells the blocks [from, to) that the bitmaps have as used. */
  tell(from: number, to: number, tell: (to: number, use: SpaceUse, owner: string) => boolean): boolean {
    for (let at = from; at < to; ) {
      while (this.next < this.order.length && this.end(this.next) <= at) this.next++;
      const start = this.next < this.order.length ? this.start(this.next) : to;
      if (start > at) {
        at = Math.min(to, start);
        if (!tell(at, 'unknown', '')) return false;
        continue;
      }
      at = Math.min(to, this.end(this.next));
      const i = this.order[this.next] as number;
      if (!tell(at, USES[this.uses[i] as number] as SpaceUse, `inode ${this.inodes[i]}`)) return false;
    }
    return true;
  }

  private start(index: number): number {
    return this.blocks[this.order[index] as number] as number;
  }

  private end(index: number): number {
    return this.start(index) + (this.counts[this.order[index] as number] as number);
  }
}
