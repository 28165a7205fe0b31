/** The descriptors of all groups as debugfs prints them. */
import type { Ext4Mount } from '../mount.ts';
import { GroupFlag } from '../structure/group.ts';

/** What a descriptor says. */
interface GroupFacts {
  readonly group: number;
  readonly blockBitmap: number;
  readonly inodeBitmap: number;
  readonly inodeTable: number;
  /** Clusters, where the image has them. */
  readonly freeBlocks: number;
  readonly freeInodes: number;
  readonly usedDirectories: number;
  /** Inodes at the end of the table that were never used. */
  readonly unusedInodes: number;
  readonly flags: number;
}

/** Lines, and the same as data. @throws FsError EUCLEAN, EIO */
export function groupsTold(mp: Ext4Mount): { readonly lines: string[]; readonly groups: GroupFacts[] } {
  const groups = Array.from({ length: mp.groupCount }, (_, group) => factsOf(mp, group));
  return { lines: groups.flatMap((facts) => groupLines(mp, facts)), groups };
}

function factsOf({ groups }: Ext4Mount, group: number): GroupFacts {
  return {
    group,
    blockBitmap: groups.blockBitmap(group),
    inodeBitmap: groups.inodeBitmap(group),
    inodeTable: groups.inodeTable(group),
    freeBlocks: groups.freeClusters(group),
    freeInodes: groups.freeInodes(group),
    usedDirectories: groups.usedDirs(group),
    unusedInodes: groups.unusedInodes(group),
    flags: groups.flags(group),
  };
}

function groupLines(mp: Ext4Mount, facts: GroupFacts): string[] {
  const unit = mp.clusterBlocks > 1 ? 'cluster' : 'block';
  const sealed = mp.hasCsum || mp.roCompat('uninit_bg');
  const plural = (count: number, one: string, many = `${one}s`): string => `${count} ${count === 1 ? one : many}`;
  const free = `${facts.freeBlocks} free ${unit}${facts.freeBlocks === 1 ? '' : 's'}`;
  const inodes = `${facts.freeInodes} free ${facts.freeInodes === 1 ? 'inode' : 'inodes'}`;
  const dirs = `${facts.usedDirectories} used ${facts.usedDirectories === 1 ? 'directory' : 'directories'}`;
  const unused = sealed ? `, ${plural(facts.unusedInodes, 'unused inode')}` : '';
  const name = `Group ${String(facts.group).padStart(2)}`;
  const lines = [
    ` ${name}: block bitmap at ${facts.blockBitmap}, inode bitmap at ${facts.inodeBitmap}, inode table at ${facts.inodeTable}`,
    `           ${free}, ${inodes}, ${dirs}${unused}`,
  ];
  const marks = marksOf(mp, facts, sealed);
  if (marks.length > 0) lines.push(`           [${marks.join(', ')}]`);
  return lines;
}

function marksOf({ groups }: Ext4Mount, { group, flags }: GroupFacts, sealed: boolean): string[] {
  const marks: string[] = [];
  if ((flags & GroupFlag.INODE_UNINIT) !== 0) marks.push('Inode not init');
  if ((flags & GroupFlag.BLOCK_UNINIT) !== 0) marks.push('Block not init');
  if (sealed) marks.push(`Checksum 0x${groups.checksum(group, groups.buf(group)).toString(16).padStart(4, '0')}`);
  return marks;
}
