/** EXTENT_ITEM and METADATA_ITEM with their inline references, and references with items of their own. */
import {
  ExtentDataRef,
  ExtentFlag,
  ExtentInlineRef,
  ExtentItem,
  ExtentOwnerRef,
  SharedDataRef,
  TreeBlockInfo,
} from '../structure/extent.ts';
import { ItemType, itemTypeName } from '../structure/key-names.ts';
import { extentFlagsAt } from './flag-text.ts';
import type { ItemPlace } from './item-place.ts';
import { rootText } from './key-text.ts';
import { numberOrText, type Shown, structData, Template } from './template.ts';

const extentItem = new Template(ExtentItem, '\t\trefs {refs} gen {generation} flags {flags}', {
  flags: extentFlagsAt(ExtentItem.at.flags),
});
const treeBlockInfo = new Template(TreeBlockInfo, '\t\ttree block key {key} level {level}');
const dataRef = new Template(
  ExtentDataRef,
  '\t\textent data backref root {root} objectid {objectid} offset {offset} count {count}',
  { root: (view, at) => rootText(view, at + ExtentDataRef.at.root) },
);
const sharedDataRef = new Template(SharedDataRef, '\t\tshared data backref count {count}');
const ownerRef = new Template(ExtentOwnerRef, '\t\textent owner root {root_id}');

export const showDataRef = ({ view, at }: ItemPlace): Shown => dataRef.show(view, at);
export const showSharedDataRef = ({ view, at }: ItemPlace): Shown => sharedDataRef.show(view, at);
export const showOwnerRef = ({ view, at }: ItemPlace): Shown => ownerRef.show(view, at);

interface InlineRef {
  readonly line: string;
  readonly data: Record<string, unknown>;
  readonly size: number;
}

/** One inline reference; null for a type that is none or does not fit. */
function inlineRef(view: DataView, at: number, room: number): InlineRef | null {
  const type = view.getUint8(at);
  const plain = at + ExtentInlineRef.at.offset;
  const value = room >= ExtentInlineRef.size ? view.getBigUint64(plain, true) : 0n;
  const named = { type: itemTypeName(type) };
  switch (type) {
    case ItemType.TREE_BLOCK_REF:
      return {
        line: `\t\ttree block backref root ${rootText(view, plain)}`,
        data: { ...named, root: rootText(view, plain) },
        size: ExtentInlineRef.size,
      };
    case ItemType.SHARED_BLOCK_REF:
      return {
        line: `\t\tshared block backref parent ${value}`,
        data: { ...named, parent: numberOrText(value) },
        size: ExtentInlineRef.size,
      };
    case ItemType.EXTENT_DATA_REF:
      if (room < 1 + ExtentDataRef.size) return null;
      return {
        line: dataRef.lines(view, plain).join(''),
        data: { ...named, ...structData(ExtentDataRef, view, plain) },
        size: 1 + ExtentDataRef.size,
      };
    case ItemType.SHARED_DATA_REF: {
      const count = at + ExtentInlineRef.size;
      if (room < ExtentInlineRef.size + SharedDataRef.size) return null;
      return {
        line: `\t\tshared data backref parent ${value} count ${view.getUint32(count, true)}`,
        data: { ...named, parent: numberOrText(value), count: view.getUint32(count, true) },
        size: ExtentInlineRef.size + SharedDataRef.size,
      };
    }
    case ItemType.EXTENT_OWNER_REF:
      return {
        line: `\t\textent owner root ${value}`,
        data: { ...named, root: numberOrText(value) },
        size: ExtentInlineRef.size,
      };
    default:
      return null;
  }
}

function showExtent({ key, view, at, size }: ItemPlace, skinny: boolean): Shown {
  const lines = extentItem.lines(view, at);
  const data: Record<string, unknown> = structData(ExtentItem, view, at);
  let cur = at + ExtentItem.size;
  const end = at + size;
  if (skinny) {
    lines.push(`\t\ttree block skinny level ${key.fl | 0}`);
    data.level = key.fl;
  } else if ((view.getUint32(at + ExtentItem.at.flags, true) & ExtentFlag.TREE_BLOCK) !== 0) {
    if (cur + TreeBlockInfo.size > end) return { lines, data };
    lines.push(...treeBlockInfo.lines(view, cur));
    data.tree_block = structData(TreeBlockInfo, view, cur);
    cur += TreeBlockInfo.size;
  }
  const refs: object[] = [];
  while (cur < end) {
    const ref = inlineRef(view, cur, end - cur);
    if (ref === null) break;
    lines.push(ref.line);
    refs.push(ref.data);
    cur += ref.size;
  }
  return { lines, data: { ...data, inline_refs: refs } };
}

export const showExtentItem = (item: ItemPlace): Shown => showExtent(item, false);
export const showMetadataItem = (item: ItemPlace): Shown => showExtent(item, true);
