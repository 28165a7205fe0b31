/** The verifiers of one mount, by structure name. */
import type { BufOps } from '../../../core/buffer-cache.ts';
import type { XfsMount } from '../mount.ts';
import { agflOps, agfOps, agiOps, sbOps } from './ag.ts';
import { attrLeafOps, attrRemoteOps, daNodeOps } from './attr.ts';
import { type BtreeName, btreeOps } from './btree.ts';
import { dirBlockOps, dirDataOps } from './dir-data.ts';
import { dirFreeOps, dirLeafOps } from './dir-leaf.ts';
import { inodeOps } from './inode.ts';
import { rawOps, symlinkOps } from './symlink.ts';

export interface MountOps extends Readonly<Record<BtreeName, BufOps>> {
  readonly sb: BufOps;
  readonly agf: BufOps;
  readonly agi: BufOps;
  readonly agfl: BufOps;
  readonly inode: BufOps;
  readonly dirBlock: BufOps;
  readonly dirData: BufOps;
  readonly dirLeaf1: BufOps;
  readonly dirLeafn: BufOps;
  readonly dirFree: BufOps;
  readonly daNode: BufOps;
  readonly attrLeaf: BufOps;
  readonly attrRemote: BufOps;
  readonly symlink: BufOps;
  /** Any bytes: v4 blocks without a header, and looking at unknown blocks. */
  readonly raw: BufOps;
}

/** Builds the verifiers for a mount whose geometry and features are set. */
export function mountOps(mp: XfsMount): MountOps {
  const attrLeaf = attrLeafOps(mp);
  const dirLeafn = dirLeafOps(mp, 'dirLeafn');
  return {
    sb: sbOps(mp),
    agf: agfOps(mp),
    agi: agiOps(mp),
    agfl: agflOps(mp),
    ...btreeOps(mp),
    inode: inodeOps(mp),
    dirBlock: dirBlockOps(mp),
    dirData: dirDataOps(mp),
    dirLeaf1: dirLeafOps(mp, 'dirLeaf1'),
    dirLeafn,
    dirFree: dirFreeOps(mp),
    daNode: daNodeOps(mp, attrLeaf, dirLeafn),
    attrLeaf,
    attrRemote: attrRemoteOps(mp),
    symlink: symlinkOps(mp),
    raw: rawOps(),
  };
}
