/** What makes a resource group's header believable: its checksum, which old ones have not, and its bounds. */
import type { Buf } from '../../core/buffer-cache.ts';
import { crc32 } from '../../core/checksum.ts';
import type { Damage } from '../../core/errors.ts';
import { BLOCKS_PER_BYTE, RGRP_SIZE, Rgrp } from './structure/rgrp.ts';

/** The first rule that a group's header breaks, or null. */
export function rgrpDamage({ view, bytes, addr }: Buf): Damage | null {
  const { get } = Rgrp;
  const bad = (field: keyof typeof Rgrp.at, value: string, rule: string): Damage => {
    const structure = `resource group at block ${addr / bytes.length}`;
    return { structure, addr, offset: Rgrp.at[field], field, value, rule };
  };
  const stored = get.rg_crc(view, 0);
  if (stored !== 0) {
    const header = bytes.slice(0, RGRP_SIZE);
    header.fill(0, Rgrp.at.rg_crc, Rgrp.at.rg_crc + 4);
    const computed = crc32(header);
    if (computed !== stored)
      return bad('rg_crc', `0x${stored.toString(16)}`, `crc, computed 0x${computed.toString(16)}`);
  }
  const data = get.rg_data(view, 0);
  const free = get.rg_free(view, 0);
  // Headers of the first versions do not repeat what the index says.
  if (data === 0) return null;
  if (get.rg_bitbytes(view, 0) * BLOCKS_PER_BYTE !== data) return bad('rg_data', `${data}`, 'does not fit rg_bitbytes');
  if (free > data) return bad('rg_free', `${free}`, `> ${data}`);
  if (get.rg_dinodes(view, 0) > data) return bad('rg_dinodes', `${get.rg_dinodes(view, 0)}`, `> ${data}`);
  return null;
}
