/** A tree block as dump-tree prints it: header, then items with what they say, or pointers. */
import { FsError } from '../../../core/errors.ts';
import {
  HEADER_SIZE,
  Header,
  HeaderFlag,
  ITEM_SIZE,
  Item,
  KEY_PTR_SIZE,
  KeyPtr,
  leafDataSize,
  nodePtrsPerBlock,
} from '../structure/block.ts';
import { Key } from '../structure/key.ts';
import type { ItemPlace, ShowOptions } from './item-place.ts';
import { showItem } from './items.ts';
import { keyData, keyText, rootText } from './key-text.ts';
import { type Shown, Template } from './template.ts';

/** What of the file system decides how its blocks are shown. */
export interface BlockSetting {
  readonly csumSize: number;
  readonly sectorSize: number;
  readonly simpleQuota: boolean;
  readonly options: ShowOptions;
  /** The checksum of each block is shown with its header. */
  readonly headerChecksums: boolean;
}

const owner = (view: DataView, at: number): string => rootText(view, at + Header.at.owner);
const kind = (view: DataView, at: number): string => (Header.get.level(view, at) > 0 ? 'node' : 'leaf');

function flagWords(view: DataView, at: number): string {
  const flags = Header.get.flags(view, at);
  const words: string[] = [];
  if ((flags & HeaderFlag.WRITTEN) !== 0) words.push('WRITTEN');
  if ((flags & HeaderFlag.RELOC) !== 0) words.push('RELOC');
  return words.join('|');
}

function flagNumber(view: DataView, at: number): string {
  return `0x${(view.getBigUint64(at + Header.at.flags, true) & 0xff_ffff_ffff_ffffn).toString(16)}`;
}

const leafHeader = new Template(Header, ' generation {generation} owner {owner}', { owner });
const blockHeader = new Template(
  Header,
  '{kind} {bytenr} flags {flags}({words}) backref revision {backref_rev}{csum}\nfs uuid {fsid}\nchunk uuid {chunk_tree_uuid}',
  { kind, flags: flagNumber, words: flagWords, csum: () => '\u0000' },
);

/** Bytes between the last item header and the data; negative in a damaged leaf. */
function leafFree(view: DataView, nritems: number): number {
  // A damaged count may lead out of the block.
  const count = Math.min(nritems, Math.floor(leafDataSize(view.byteLength) / ITEM_SIZE));
  const dataStart =
    count === 0 ? leafDataSize(view.byteLength) : Item.get.offset(view, HEADER_SIZE + (count - 1) * ITEM_SIZE);
  return dataStart - count * ITEM_SIZE;
}

function headerLines(view: DataView, setting: BlockSetting): string[] {
  const count = Header.get.nritems(view, 0);
  const level = Header.get.level(view, 0);
  const free = level > 0 ? nodePtrsPerBlock(view.byteLength) - count : leafFree(view, count);
  const bytenr = view.getBigUint64(Header.at.bytenr, true);
  const start = level > 0 ? `node ${bytenr} level ${level}` : `leaf ${bytenr}`;
  const csum = Buffer.from(view.buffer, view.byteOffset, setting.csumSize).toString('hex');
  const [second = '', ...rest] = blockHeader.lines(view, 0);
  return [
    `${start} items ${count} free space ${free}${leafHeader.lines(view, 0).join('')}`,
    second.replace('\u0000', setting.headerChecksums ? ` csum 0x${csum}` : ''),
    ...rest,
  ];
}

function headerData(view: DataView): object {
  return {
    bytenr: Header.get.bytenr(view, 0),
    level: Header.get.level(view, 0),
    generation: Header.get.generation(view, 0),
    owner: owner(view, 0),
    flags: flagWords(view, 0),
  };
}

const key = new Key();

function showNode(view: DataView, setting: BlockSetting): Shown {
  const lines = headerLines(view, setting);
  const count = Math.min(Header.get.nritems(view, 0), nodePtrsPerBlock(view.byteLength));
  const pointers: object[] = [];
  for (let slot = 0; slot < count; slot++) {
    const at = HEADER_SIZE + slot * KEY_PTR_SIZE;
    key.read(view, at);
    const block = KeyPtr.get.blockptr(view, at);
    const generation = KeyPtr.get.generation(view, at);
    lines.push(`\tkey ${keyText(key)} block ${block} gen ${generation}`);
    pointers.push({ key: keyData(key), block, generation });
  }
  return { lines, data: { ...headerData(view), pointers } };
}

/** An item, or that it cannot be made out: in a damaged leaf an item may be anything. */
function showSurely(place: ItemPlace): Shown {
  try {
    return showItem(place);
  } catch (error) {
    if (!(error instanceof RangeError || error instanceof FsError)) throw error;
    return { lines: [`\t\titem of ${place.size} bytes that cannot be made out`], data: {} };
  }
}

function showLeaf(view: DataView, setting: BlockSetting): Shown {
  const lines = headerLines(view, setting);
  const limit = leafDataSize(view.byteLength);
  const count = Math.min(Header.get.nritems(view, 0), Math.floor(limit / ITEM_SIZE));
  const items: object[] = [];
  for (let slot = 0; slot < count; slot++) {
    const at = HEADER_SIZE + slot * ITEM_SIZE;
    const offset = Item.get.offset(view, at);
    const size = Item.get.size(view, at);
    if (offset + size > limit) {
      lines.push(`\titem ${slot} pointer invalid, offset ${offset} size ${size} leaf data limit ${limit}`);
      break;
    }
    key.read(view, at);
    const place: ItemPlace = { ...setting, key, view, at: HEADER_SIZE + offset, size };
    const shown = showSurely(place);
    lines.push(`\titem ${slot} key ${keyText(key)} itemoff ${offset} itemsize ${size}`, ...shown.lines);
    items.push({ key: keyData(key), itemoff: offset, itemsize: size, ...shown.data });
  }
  return { lines, data: { ...headerData(view), items } };
}

/** A block of either kind. */
export function showBlock(view: DataView, setting: BlockSetting): Shown {
  return Header.get.level(view, 0) > 0 ? showNode(view, setting) : showLeaf(view, setting);
}
