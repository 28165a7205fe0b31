/** How many extents the files have, and how few would do: the numbers of xfs_db's frag. */
import { forkLookup } from '../bmap-fork.ts';
import { Extent } from '../extent.ts';
import type { ForkKind, XfsInode } from '../inode.ts';
import type { XfsMount } from '../mount.ts';
import { allocatedInodes } from './inode-walk.ts';

/** Which forks count. */
export interface FragKinds {
  readonly attr: boolean;
  readonly dir: boolean;
  readonly file: boolean;
  readonly symlink: boolean;
  readonly quota: boolean;
  readonly realtime: boolean;
  /** Bitmap and summary of the realtime device. */
  readonly realtimeControl: boolean;
}

export const ALL_KINDS: FragKinds = {
  attr: true,
  dir: true,
  file: true,
  symlink: true,
  quota: true,
  realtime: true,
  realtimeControl: true,
};

export interface Fragmentation {
  actual: number;
  ideal: number;
}

/** Counts the extents of all inodes; `visit` sees each inode's own numbers. @throws FsError EUCLEAN, EIO */
export function fragmentation(
  mp: XfsMount,
  kinds: FragKinds,
  visit: (ino: number, own: Fragmentation) => void = () => {},
): Fragmentation {
  const total: Fragmentation = { actual: 0, ideal: 0 };
  allocatedInodes(mp, 0, (ino) => {
    const ip = mp.inodes.get(ino);
    const data = countsData(ip, kinds);
    const attr = kinds.attr && ip.hasAttrFork;
    if (!data && !attr) return true;
    const own: Fragmentation = { actual: 0, ideal: 0 };
    if (data) countFork(ip, 'data', own);
    if (attr) countFork(ip, 'attr', own);
    total.actual += own.actual;
    total.ideal += own.ideal;
    visit(ino, own);
    return true;
  });
  return total;
}

function countsData(ip: XfsInode, kinds: FragKinds): boolean {
  const { sb } = ip.mp;
  if (ip.kind === 'dir') return kinds.dir;
  if (ip.kind === 'symlink') return kinds.symlink;
  if (ip.kind !== 'file') return false;
  if (!kinds.realtime && ip.realtime) return false;
  if (!kinds.realtimeControl && (ip.ino === sb.rbmino || ip.ino === sb.rsumino)) return false;
  if (!kinds.quota && (ip.ino === sb.uquotino || ip.ino === sb.gquotino || ip.ino === sb.pquotino)) return false;
  return kinds.file;
}

function countFork(ip: XfsInode, fork: ForkKind, into: Fragmentation): void {
  const { format } = fork === 'data' ? ip.dataFork : ip.attrFork;
  if (format !== 'extents' && format !== 'btree') return;
  const extent = new Extent();
  let end = -1;
  while (forkLookup(ip, fork, Math.max(end, 0), extent)) {
    into.actual++;
    if (extent.off !== end) into.ideal++;
    end = extent.end;
  }
}
