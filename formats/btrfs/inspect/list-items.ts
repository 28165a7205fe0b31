/** Items that hold one structure after the other: names, attributes, back references of inodes, UUIDs, checksums. */
import { DirItem, FileType } from '../structure/dir.ts';
import { InodeExtref, InodeRef } from '../structure/inode.ts';
import { type ItemPlace, textAt } from './item-place.ts';
import { numberOrText, type Shown, structData, Template } from './template.ts';

const FILE_TYPES: Readonly<Record<number, string>> = {
  [FileType.REG_FILE]: 'FILE',
  [FileType.DIR]: 'DIR',
  [FileType.CHRDEV]: 'CHRDEV',
  [FileType.BLKDEV]: 'BLKDEV',
  [FileType.FIFO]: 'FIFO',
  [FileType.SOCK]: 'SOCK',
  [FileType.SYMLINK]: 'SYMLINK',
  [FileType.XATTR]: 'XATTR',
};

const dirItem = new Template(
  DirItem,
  '\t\tlocation key {location} type {type}\n\t\ttransid {transid} data_len {data_len} name_len {name_len}',
  {
    type: (view, at) => {
      const type = view.getUint8(at + DirItem.at.type) & ~FileType.ENCRYPTED;
      return FILE_TYPES[type] ?? `DIR_ITEM.${type}`;
    },
  },
);

/** DIR_ITEM, DIR_INDEX, XATTR_ITEM. */
export function showDirItems({ view, at, size, options }: ItemPlace): Shown {
  const lines: string[] = [];
  const entries: object[] = [];
  for (let cur = at; cur + DirItem.size <= at + size; ) {
    const nameLength = DirItem.get.name_len(view, cur);
    const dataLength = DirItem.get.data_len(view, cur);
    const name = cur + DirItem.size;
    lines.push(...dirItem.lines(view, cur));
    const data = structData(DirItem, view, cur);
    const next = name + nameLength + dataLength;
    if (next > at + size) {
      lines.push(`\t\tinvalid length: name_len ${nameLength} data_len ${dataLength} size ${size}`);
      entries.push(data);
      break;
    }
    const text = options.hideNames ? 'HIDDEN' : textAt(view, name, nameLength);
    const value = options.hideNames ? 'HIDDEN' : textAt(view, name + nameLength, dataLength);
    lines.push(`\t\tname: ${text}`);
    if (dataLength > 0) lines.push(`\t\tdata ${value}`);
    entries.push(dataLength > 0 ? { ...data, name: text, data: value } : { ...data, name: text });
    cur = next;
  }
  return { lines, data: { entries } };
}

const inodeRef = new Template(InodeRef, '\t\tindex {index} namelen {name_len} name: ');
const inodeExtref = new Template(InodeExtref, '\t\tindex {index} parent {parent_objectid} namelen {name_len} name: ');

function showRefs(template: Template, nameLength: (view: DataView, at: number) => number, item: ItemPlace): Shown {
  const { view, at, size, options } = item;
  const lines: string[] = [];
  const refs: object[] = [];
  const header = template.struct.size;
  for (let cur = at; cur + header <= at + size; ) {
    const length = nameLength(view, cur);
    const inside = cur + header + length <= at + size;
    const name = options.hideNames || !inside ? 'HIDDEN' : textAt(view, cur + header, length);
    lines.push(template.lines(view, cur).join('') + (inside ? name : 'invalid length'));
    refs.push({ ...structData(template.struct, view, cur), name });
    cur += header + length;
  }
  return { lines, data: { refs } };
}

export const showInodeRefs = (item: ItemPlace): Shown => showRefs(inodeRef, InodeRef.get.name_len, item);
export const showInodeExtrefs = (item: ItemPlace): Shown => showRefs(inodeExtref, InodeExtref.get.name_len, item);

/** UUID_KEY_SUBVOL, UUID_KEY_RECEIVED_SUBVOL: ids of subvolumes. */
export function showUuidItem({ view, at, size }: ItemPlace): Shown {
  if (size % 8 !== 0) return { lines: [`btrfs: uuid item with illegal size ${size}!`], data: {} };
  const ids = Array.from({ length: size / 8 }, (_, i) => view.getBigUint64(at + i * 8, true));
  return { lines: ids.map((id) => `\t\tsubvol_id ${id}`), data: { subvol_ids: ids.map(numberOrText) } };
}

const LONGEST_CSUM = 32;

/** EXTENT_CSUM: checksums of consecutive sectors. */
export function showChecksums({ key, view, at, size, csumSize, sectorSize, options }: ItemPlace): Shown {
  const start = (BigInt(key.fh) << 32n) | BigInt(key.fl);
  const count = Math.floor(size / csumSize);
  const length = count * sectorSize;
  const lines = [`\t\trange start ${start} end ${start + BigInt(length)} length ${length}`];
  const data = { start: numberOrText(start), length };
  if (!options.checksums) return { lines, data };
  const sums = Array.from({ length: count }, (_, i) =>
    Buffer.from(view.buffer, view.byteOffset + at + i * csumSize, csumSize).toString('hex'),
  );
  const perLine = Math.max(1, Math.floor(LONGEST_CSUM / csumSize / 2));
  for (let i = 0; i < count; i += perLine) {
    const words = sums.slice(i, i + perLine).map((sum, j) => `[${start + BigInt((i + j) * sectorSize)}] 0x${sum}`);
    lines.push(`\t\t${words.join(' ')}`);
  }
  return { lines, data: { ...data, csums: sums } };
}
