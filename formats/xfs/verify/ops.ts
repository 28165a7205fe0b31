/** The verifiers of one mount, by structure name. */
import type { BufOps } from '../../../core/buffer-cache.ts';
import { Blft } from '../log/log-format.ts';
import type { XfsMount } from '../mount.ts';
import { DquotType } from '../quota/types.ts';
import { agflOps, agfOps, agiOps } from './ag.ts';
import { attrLeafOps, attrRemoteOps, daNodeOps } from './attr.ts';
import { type BtreeName, btreeOps } from './btree.ts';
import { dirBlockOps, dirDataOps } from './dir-data.ts';
import { dirFreeOps, dirLeafOps } from './dir-leaf.ts';
import { dquotOps } from './dquot.ts';
import { inodeOps } from './inode.ts';
import { sbOps } from './superblock.ts';
import { symlinkOps } from './symlink.ts';

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
  readonly userDquot: BufOps;
  readonly groupDquot: BufOps;
  readonly projectDquot: BufOps;
  /** Blocks of the realtime bitmap and its summary, which have no header. */
  readonly rtbitmap: BufOps;
  readonly rtsummary: BufOps;
  /** Any bytes: v4 blocks without a header, and looking at unknown blocks. */
  readonly raw: BufOps;
}

/** Builds the verifiers for a mount whose geometry and features are set. */
export function mountOps(mp: XfsMount): MountOps {
  const attrLeaf = later('attrLeaf', Blft.ATTR_LEAF, () => attrLeafOps(mp));
  const dirLeafn = later('dirLeafn', Blft.DIR_LEAFN, () => dirLeafOps(mp, 'dirLeafn'));
  const btree = (name: BtreeName) => later(name, Blft.BTREE, () => btreeOps(mp, name));
  return {
    sb: sbOps(mp),
    agf: later('agf', Blft.AGF, () => agfOps(mp)),
    agi: later('agi', Blft.AGI, () => agiOps(mp)),
    agfl: later('agfl', Blft.AGFL, () => agflOps(mp)),
    bnobt: btree('bnobt'),
    cntbt: btree('cntbt'),
    inobt: btree('inobt'),
    finobt: btree('finobt'),
    rmapbt: btree('rmapbt'),
    refcountbt: btree('refcountbt'),
    bmbt: btree('bmbt'),
    inode: inodeOps(mp),
    dirBlock: later('dirBlock', Blft.DIR_BLOCK, () => dirBlockOps(mp)),
    dirData: later('dirData', Blft.DIR_DATA, () => dirDataOps(mp)),
    dirLeaf1: later('dirLeaf1', Blft.DIR_LEAF1, () => dirLeafOps(mp, 'dirLeaf1')),
    dirLeafn,
    dirFree: later('dirFree', Blft.DIR_FREE, () => dirFreeOps(mp)),
    daNode: later('daNode', Blft.DA_NODE, () => daNodeOps(mp, attrLeaf, dirLeafn)),
    attrLeaf,
    attrRemote: later('attrRemote', Blft.ATTR_RMT, () => attrRemoteOps(mp)),
    symlink: later('symlink', Blft.SYMLINK, () => symlinkOps(mp)),
    userDquot: later('dquot', Blft.UDQUOT, () => dquotOps(mp, DquotType.USER, Blft.UDQUOT)),
    groupDquot: later('dquot', Blft.GDQUOT, () => dquotOps(mp, DquotType.GROUP, Blft.GDQUOT)),
    projectDquot: later('dquot', Blft.PDQUOT, () => dquotOps(mp, DquotType.PROJECT, Blft.PDQUOT)),
    rtbitmap: { name: 'rtbitmap', logType: Blft.RTBITMAP, verify: () => null },
    rtsummary: { name: 'rtsummary', logType: Blft.RTSUMMARY, verify: () => null },
    raw: { name: 'data', logType: Blft.UNKNOWN, verify: () => null },
  };
}

/** A verifier that is made when the first block of its kind is met: most runs meet few kinds. */
function later(name: string, logType: number, make: () => BufOps): BufOps {
  let made: BufOps | null = null;
  const real = () => {
    made ??= make();
    if (made.name !== name || made.logType !== logType) throw new Error(`${name} is the verifier of ${made.name}`);
    return made;
  };
  return {
    name,
    logType,
    verify: (buf, sealed) => real().verify(buf, sealed),
    seal: (buf, lsn) => real().seal?.(buf, lsn),
  };
}
