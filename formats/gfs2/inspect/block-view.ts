/** What a block of the image holds, as gfs2_edit shows it: its structure, and what that has behind its fields. */
import type { Buf } from '../../../core/buffer-cache.ts';
import { FsError } from '../../../core/errors.ts';
import { kindOfMode } from '../../../core/vfs/file-kind.ts';
import { decodeName } from '../../../core/vfs/names.ts';
import { rawOps } from '../meta-block.ts';
import type { Gfs2Mount } from '../mount.ts';
import { DINODE_SIZE, Dinode } from '../structure/dinode.ts';
import { DIRENT_SIZE, Dirent, LEAF_SIZE, Leaf } from '../structure/dir.ts';
import { EA_HEADER_SIZE, EAFLAG_LAST, EaHeader } from '../structure/ea.ts';
import { LogDescriptor, LogHeader } from '../structure/log.ts';
import { GFS2_MAGIC, META_SIZE, MetaHeader, readBlockNumber } from '../structure/meta.ts';
import { Rgrp } from '../structure/rgrp.ts';
import { Superblock } from '../structure/superblock.ts';
import { QuotaChange } from '../structure/system.ts';
import { fieldLines, type ShownField, shownFields } from './fields.ts';

export interface BlockView {
  readonly block: number;
  /** MetaType; 0 for what is no metadata. */
  readonly type: number;
  readonly name: string;
  readonly fields: readonly ShownField[];
  /** Entries, attributes or pointers, a line each. */
  readonly contents: readonly string[];
}

/** By MetaType: how gfs2_edit names a block, and its heading. */
const TYPES: readonly (readonly [name: string, heading: string])[] = [
  ['data', 'Data'],
  ['superblock', 'Superblock'],
  ['resource group', 'Resource Group Header'],
  ['bitmap', 'Resource Group Bitmap'],
  ['inode', 'Dinode'],
  ['indirect', 'Indirect Block'],
  ['directory leaf', 'Leaf'],
  ['journal data', 'Journaled Data'],
  ['log header', 'Log Header'],
  ['log descriptor', 'Log descriptor'],
  ['extended attribute', 'Ext. attrib'],
  ['extended attribute data', 'Eattr Data'],
  ['log buffer', 'Log Buffer'],
  ['data', 'Metatype 13'],
  ['quota change', 'Quota Change'],
];

/** The heading over the fields of a block of this type. */
export function headingOf(type: number): string {
  return (TYPES[type] ?? TYPES[0])?.[1] as string;
}

/** Looks at a block; it is taken as it is, good or damaged. @throws FsError EINVAL outside the device, EIO */
export function viewBlock(mp: Gfs2Mount, block: number): BlockView {
  if (!Number.isInteger(block) || block < 0 || block >= mp.blocks)
    throw new FsError('EINVAL', { detail: `block ${block} is not on the device, which has ${mp.blocks}` });
  const buf = mp.block(block, rawOps);
  const { view } = buf;
  const magic = MetaHeader.get.mh_magic(view, 0) === GFS2_MAGIC;
  const found = magic ? MetaHeader.get.mh_type(view, 0) : 0;
  const type = found < TYPES.length ? found : 0;
  return { block, type, name: (TYPES[type] as readonly [string, string])[0], ...partsOf(buf, type) };
}

function partsOf(buf: Buf, type: number): Pick<BlockView, 'fields' | 'contents'> {
  const { view } = buf;
  switch (type) {
    case 0:
      return { fields: [], contents: [] };
    case 1:
      return { fields: shownFields(Superblock, view, 0), contents: [] };
    case 2:
      return { fields: shownFields(Rgrp, view, 0), contents: [] };
    case 4:
      return { fields: shownFields(Dinode, view, 0), contents: dinodeContents(buf) };
    case 5:
      return { fields: shownFields(MetaHeader, view, 0), contents: pointerLines(buf, META_SIZE) };
    case 6:
      return { fields: shownFields(Leaf, view, 0), contents: entryLines(buf, LEAF_SIZE) };
    case 8:
      return { fields: shownFields(LogHeader, view, 0), contents: [] };
    case 9:
      return { fields: shownFields(LogDescriptor, view, 0), contents: [] };
    case 10:
      return { fields: shownFields(MetaHeader, view, 0), contents: attributeLines(buf) };
    case 14:
      return { fields: shownFields(QuotaChange, view, META_SIZE), contents: [] };
    default:
      return { fields: shownFields(MetaHeader, view, 0), contents: [] };
  }
}

function dinodeContents(buf: Buf): string[] {
  const { get } = Dinode;
  const { view } = buf;
  if (get.di_height(view, 0) > 0) return pointerLines(buf, DINODE_SIZE);
  const dir = kindOfMode(get.di_mode(view, 0)) === 'dir';
  if (!dir) return [];
  return (get.di_flags(view, 0) & 2) !== 0 ? pointerLines(buf, DINODE_SIZE) : entryLines(buf, DINODE_SIZE);
}

/** Pointers that are not 0: which one, and the block. */
function pointerLines({ view, length }: Buf, start: number): string[] {
  const lines: string[] = [];
  for (let at = start, i = 0; at + 8 <= length; at += 8, i++) {
    const block = readBlockNumber(view, at);
    if (block !== 0) lines.push(`${lines.length}: 0x${i.toString(16)} => 0x${block.toString(16)} / ${block}`);
  }
  return lines;
}

const FILE_TYPES: Readonly<Record<number, string>> = {
  0: 'Unknown',
  1: 'Fifo   ',
  2: 'ChrDev ',
  4: 'Dir    ',
  6: 'BlkDev ',
  8: 'File   ',
  10: 'Symlink',
  12: 'Socket ',
};

/** Entries of a directory, as far as their lengths lead. */
function entryLines({ view, bytes, length }: Buf, start: number): string[] {
  const { get } = Dirent;
  const lines: string[] = [];
  for (let at = start; at + DIRENT_SIZE <= length; ) {
    const formal = get.no_formal_ino(view, at);
    const addr = get.no_addr(view, at);
    if (formal !== 0) {
      const name = bytes.subarray(at + DIRENT_SIZE, Math.min(length, at + DIRENT_SIZE + get.de_name_len(view, at)));
      const hash = get.de_hash(view, at).toString(16).toUpperCase().padStart(8, '0');
      const place = `${formal}/${addr} (0x${formal.toString(16)}/0x${addr.toString(16)})`;
      const type = get.de_type(view, at);
      const kind = FILE_TYPES[type] ?? `${type.toString(16).padStart(4, '0')}   `;
      const i = lines.length + 1;
      lines.push(`   ${i}/${i} [${hash}] ${place} +${get.de_rahead(view, at)}: ${kind} ${decodeName(name)}`);
    }
    const step = get.de_rec_len(view, at);
    if (step < DIRENT_SIZE) break;
    at += step;
  }
  return lines;
}

function attributeLines({ view, bytes, length }: Buf): string[] {
  const lines: string[] = [];
  for (let at = META_SIZE; at + EA_HEADER_SIZE <= length; ) {
    const nameLength = EaHeader.get.ea_name_len(view, at);
    lines.push(...fieldLines(shownFields(EaHeader, view, at)));
    const name = bytes.subarray(at + EA_HEADER_SIZE, Math.min(length, at + EA_HEADER_SIZE + nameLength));
    lines.push(`  ${'name'.padEnd(22)}${decodeName(name)}`);
    const step = EaHeader.get.ea_rec_len(view, at);
    if (step < EA_HEADER_SIZE || (EaHeader.get.ea_flags(view, at) & EAFLAG_LAST) !== 0) break;
    at += step;
  }
  return lines;
}
