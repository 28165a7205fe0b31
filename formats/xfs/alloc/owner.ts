/** Who owns blocks, as the reverse map records it. */
import { CHUNK_LOG, realUnits } from '../../../core/positions.ts';
import { RmapOwner } from '../structure/btree-format.ts';

/** Owners that are no file: AG headers, log, free-space and rmap btrees, inode btrees, inodes, refcount btree, CoW staging. */
export type SpecialOwner = 'fs' | 'log' | 'ag' | 'inobt' | 'inodes' | 'refc' | 'cow';

/**
 * A file's fork: `offset` is the file block of the first block (0 for `bmbt` blocks), a label (core/positions.ts)
 * unless it is `real`, as records of the reverse map are.
 */
export interface FileOwner {
  readonly ino: number;
  readonly offset: number;
  readonly fork: 'data' | 'attr' | 'cow';
  readonly bmbt?: boolean;
  readonly real?: boolean;
  readonly unwritten?: boolean;
}

/** `skip`: no reverse mapping changes here; the caller does that. */
export type Owner = FileOwner | { readonly special: SpecialOwner } | 'skip';

const SPECIAL = {
  fs: RmapOwner.FS,
  log: RmapOwner.LOG,
  ag: RmapOwner.AG,
  inobt: RmapOwner.INOBT,
  inodes: RmapOwner.INODES,
  refc: RmapOwner.REFC,
  cow: RmapOwner.COW,
} as const satisfies Record<SpecialOwner, number>;

/** The owner's number in rmap records; special owners are negative. */
export function ownerNumber(owner: Exclude<Owner, 'skip'>): number {
  return 'special' in owner ? SPECIAL[owner.special] : owner.fork === 'cow' ? RmapOwner.COW : owner.ino;
}

/** What an rmap record says besides its blocks; `offset` is a real file block. */
export interface OwnerFields {
  owner: number;
  offset: number;
  attrFork: boolean;
  bmbtBlock: boolean;
  unwritten: boolean;
}

/** `blockLog`: log2 of the block size. */
export function ownerFields(owner: Exclude<Owner, 'skip'>, blockLog: number): OwnerFields {
  if ('special' in owner || owner.fork === 'cow')
    return { owner: ownerNumber(owner), offset: 0, attrFork: false, bmbtBlock: false, unwritten: false };
  const bmbtBlock = owner.bmbt === true;
  return {
    owner: owner.ino,
    offset: bmbtBlock ? 0 : owner.real === true ? owner.offset : realUnits(owner.offset, CHUNK_LOG - blockLog),
    attrFork: owner.fork === 'attr',
    bmbtBlock,
    unwritten: owner.unwritten === true,
  };
}
