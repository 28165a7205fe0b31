/**
 * Keeping quota records right: whatever a transaction does to inodes (make, free, give blocks, change owners), what it
 * changes in usage follows from each inode before it and after it, and is added to the records of its owners in the
 * same transaction. So there is one place that counts, and none that can be forgotten.
 *
 * Mirrors in effect: fs/xfs/xfs_trans_dquot.c (xfs_trans_apply_dquot_deltas), xfs_qm.c (xfs_qm_dqusage_adjust).
 */
import { forkLookup } from '../bmap-fork.ts';
import { Extent, NULL_OFFSET } from '../extent.ts';
import type { XfsInode } from '../inode.ts';
import type { XfsMount } from '../mount.ts';
import { Dquot } from '../structure/dquot.ts';
import type { Trans } from '../trans.ts';
import { findDquot, needDquot } from './dquot.ts';
import { adjustRecord, checkLimit, limitsOf, upgradeTimers } from './limits.ts';
import { RESOURCES, type Resource } from './resources.ts';
import { DquotType, type QuotaKind } from './types.ts';
import { type Seen, type UsedInode, usageOf } from './usage.ts';

type Change = Record<Resource, number>;

/** Brings the records up to what the transaction did. @throws FsError EDQUOT, ENOSPC, EUCLEAN */
export function countUsage(tp: Trans): void {
  const known = tp.usage;
  if (known === null) return;
  for (const kind of tp.mp.quotas) {
    const changes = new Map<number, Change>();
    for (const one of known.values()) addChanges(tp.mp, kind, one, changes);
    for (const [id, change] of changes) applyChange(tp, kind, id, change);
  }
}

function addChanges(mp: XfsMount, kind: QuotaKind, one: Seen, changes: Map<number, Change>): void {
  const { before } = one;
  const after = usageOf(one.inode);
  const from = before.owners[kind.name];
  const to = after.owners[kind.name];
  if (from === to || before.inodes === 0 || after.inodes === 0) {
    const id = before.inodes === 0 ? to : from;
    const blocks = after.blocks - before.blocks - one.realtime;
    addTo(changes, id, { blocks, realtime: one.realtime, inodes: after.inodes - before.inodes });
    return;
  }
  const realtime = realtimeBlocks(mp, one.inode);
  const was = realtime - one.realtime;
  addTo(changes, from, { blocks: was - before.blocks, realtime: -was, inodes: -1 });
  addTo(changes, to, { blocks: after.blocks - realtime, realtime, inodes: 1 });
}

function addTo(changes: Map<number, Change>, id: number, { blocks, inodes, realtime }: Change): void {
  const sum = changes.get(id) ?? { blocks: 0, inodes: 0, realtime: 0 };
  sum.blocks += blocks;
  sum.inodes += inodes;
  sum.realtime += realtime;
  changes.set(id, sum);
}

const extent = new Extent();

/** Blocks of the data fork, where they are on the realtime device. */
function realtimeBlocks(mp: XfsMount, { ino }: UsedInode): number {
  const ip = mp.iget(ino);
  if (ip.kind !== 'file' || !ip.realtime) return 0;
  let blocks = 0;
  for (let off = 0; off < NULL_OFFSET && forkLookup(ip, 'data', off, extent); off = extent.end) blocks += extent.count;
  return blocks;
}

function applyChange(tp: Trans, kind: QuotaKind, id: number, change: Change): void {
  if (change.blocks === 0 && change.inodes === 0 && change.realtime === 0) return;
  const { mp } = tp;
  const place = needDquot(tp, kind, id);
  const { buf, base } = place;
  tp.modifyDquot(buf, base);
  for (const resource of Object.keys(RESOURCES) as Resource[]) {
    const more = change[resource];
    const { count } = RESOURCES[resource];
    const total = Math.max(0, Dquot.get[count](buf.view, base) + more);
    if (more > 0 && id !== 0 && !tp.beyondLimits && !mp.log.inRecovery) checkLimit(mp, kind, place, resource, total);
    Dquot.set[count](buf.view, base, total);
  }
  upgradeTimers(mp, place);
  adjustRecord(mp, kind, place);
}

/**
 * `blocks` more shall be promised to a file. @throws FsError EDQUOT, of a project ENOSPC, if they and what was promised
 * before would pass a limit of an owner
 */
export function checkPromise(ip: XfsInode, blocks: number): void {
  const { mp } = ip;
  const { owners } = usageOf(ip);
  for (const kind of mp.quotas) {
    const id = owners[kind.name];
    if (!kind.enforced || id === 0) continue;
    const place = findDquot(mp, kind, id);
    const { most, wished } = limitsOf(mp, kind, place, 'blocks');
    // What was promised to all files is added up only where it matters.
    if (most === 0 && wished === 0) continue;
    const count = place === null ? 0 : Dquot.get.bcount(place.buf.view, place.base);
    checkLimit(mp, kind, place, 'blocks', count + promised(mp, kind, id) + blocks);
  }
}

/** Blocks that files of this owner were promised and do not have yet. */
function promised(mp: XfsMount, { name }: QuotaKind, id: number): number {
  let blocks = 0;
  for (const ip of mp.inodes.changed()) {
    if (ip.reserves && usageOf(ip).owners[name] === id) blocks += ip.delalloc.blocks + ip.cow.blocks;
  }
  return blocks;
}

/** Limits and use of an inode's project, where they are enforced; null where not. */
export function projectLimits(ip: XfsInode) {
  const { mp } = ip;
  const kind = mp.quotas.find(({ type, enforced }) => enforced && type === DquotType.PROJECT);
  const id = usageOf(ip).owners.project;
  const place = kind === undefined ? null : findDquot(mp, kind, id);
  if (kind === undefined || place === null) return null;
  const { get } = Dquot;
  const { view } = place.buf;
  return {
    blocks: get.blk_softlimit(view, place.base) || get.blk_hardlimit(view, place.base),
    blocksUsed: get.bcount(view, place.base) + promised(mp, kind, id),
    inodes: get.ino_softlimit(view, place.base) || get.ino_hardlimit(view, place.base),
    inodesUsed: get.icount(view, place.base),
  };
}
