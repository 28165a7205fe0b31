/**
 * What inodes used before a transaction changed them: the half of counting that changes themselves know of (count.ts is
 * the other).
 */
import type { XfsInode } from '../inode.ts';
import { Dinode } from '../structure/dinode.ts';
import type { Trans } from '../trans.ts';
import type { QuotaKind } from './types.ts';

export interface UsedInode {
  readonly ino: number;
  readonly buf: XfsInode['buf'];
  readonly base: number;
}

/** What an inode says of usage. */
interface Usage {
  readonly owners: Readonly<Record<QuotaKind['name'], number>>;
  readonly inodes: 0 | 1;
  readonly blocks: number;
}

export interface Seen {
  readonly inode: UsedInode;
  readonly before: Usage;
  /** Blocks on the realtime device that came (or went, below 0). */
  realtime: number;
}

/** An inode is about to change: what it was is kept. */
export function noteUsage(tp: Trans, inode: UsedInode): void {
  if (tp.mp.quotas.some(({ ino }) => ino === inode.ino)) return;
  tp.usage ??= new Map();
  if (!tp.usage.has(inode.ino)) tp.usage.set(inode.ino, { inode, before: usageOf(inode), realtime: 0 });
}

/** Of the blocks that an inode gets in this transaction so many are realtime. */
export function noteRealtime(tp: Trans, ino: number, blocks: number): void {
  const known = tp.usage?.get(ino);
  if (known !== undefined) known.realtime += blocks;
}

/** What an inode uses now. */
export function usageOf({ buf, base }: UsedInode): Usage {
  const { get } = Dinode;
  const { view } = buf;
  const used = get.mode(view, base) !== 0;
  const project = get.projid_hi(view, base) * 0x10000 + get.projid_lo(view, base);
  return {
    owners: { user: get.uid(view, base), group: get.gid(view, base), project },
    inodes: used ? 1 : 0,
    blocks: used ? get.nblocks(view, base) : 0,
  };
}
