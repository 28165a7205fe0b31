/** Verifiers of blocks of metadata by type: the magic and the type that each begins with, and what its fields may be. */
import type { Buf, BufOps } from '../../core/buffer-cache.ts';
import type { Damage } from '../../core/errors.ts';
import { dinodeDamage } from './dinode-check.ts';
import { leafDamage } from './dir/leaf-check.ts';
import { rgrpDamage } from './rgrp-check.ts';
import { GFS2_MAGIC, MetaHeader, MetaType } from './structure/meta.ts';

function metaOps(name: string, type: number, content?: (buf: Buf, name: string) => Damage | null): BufOps {
  return { name, logType: type, verify: (buf) => headerDamage(buf, name, type) ?? content?.(buf, name) ?? null };
}

function headerDamage(buf: Buf, structure: string, type: number): Damage | null {
  const { view, addr } = buf;
  const magic = MetaHeader.get.mh_magic(view, 0);
  if (magic !== GFS2_MAGIC)
    return { structure, addr, offset: 0, field: 'mh_magic', value: `0x${magic.toString(16)}`, rule: 'magic' };
  const found = MetaHeader.get.mh_type(view, 0);
  if (found === type) return null;
  return { structure, addr, offset: MetaHeader.at.mh_type, field: 'mh_type', value: `${found}`, rule: `not ${type}` };
}

export const dinodeOps: BufOps = metaOps('dinode', MetaType.DI, dinodeDamage);
export const indirectOps: BufOps = metaOps('indirect block', MetaType.IN);
export const leafOps: BufOps = metaOps('directory leaf', MetaType.LF, leafDamage);
/** A block of a directory's table. */
export const tableOps: BufOps = metaOps('directory hash table', MetaType.JD);
export const eattrOps: BufOps = metaOps('attribute block', MetaType.EA);
export const eaDataOps: BufOps = metaOps('attribute value', MetaType.ED);
export const rgrpOps: BufOps = metaOps('resource group', MetaType.RG, rgrpDamage);
export const bitmapOps: BufOps = metaOps('bitmap', MetaType.RB);
/** Any block, as it is. */
export const rawOps: BufOps = { name: 'block', logType: 0, verify: () => null };
