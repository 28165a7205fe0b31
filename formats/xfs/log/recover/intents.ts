/**
 * Intents: promises in the log that a later transaction keeps (frees extents, changes reverse maps, reference counts,
 * mappings, attributes, exchanges mappings). A done item says that it was kept; what is left at the end of the log
 * must be done by recovery. Host byte order. Kernel: libxfs/xfs_log_format.h.
 */
import { corrupt } from '../../../../core/errors.ts';
import { readLe64 } from '../../../../core/struct.ts';
import { LogItem } from '../log-format.ts';
import { type RecoveredItem, u16, u32 } from './transactions.ts';

/** Blocks to free (EFI). */
export interface FreeIntent {
  readonly kind: 'free';
  readonly realtime: boolean;
  readonly extents: readonly { readonly fsb: number; readonly length: number }[];
}

/** Reverse mappings to change (RUI). */
export interface RmapIntent {
  readonly kind: 'rmap';
  readonly realtime: boolean;
  readonly extents: readonly {
    readonly owner: number;
    readonly fsb: number;
    /** File block. */
    readonly offset: number;
    readonly length: number;
    readonly flags: number;
  }[];
}

/** Reference counts to change (CUI). */
export interface RefcountIntent {
  readonly kind: 'refcount';
  readonly realtime: boolean;
  readonly extents: readonly { readonly fsb: number; readonly length: number; readonly flags: number }[];
}

/** File mappings to add or remove (BUI). */
export interface BmapIntent {
  readonly kind: 'bmap';
  readonly extents: RmapIntent['extents'];
}

/** An attribute to set, remove or replace (ATTRI). */
export interface AttrIntent {
  readonly kind: 'attr';
  readonly ino: number;
  readonly generation: number;
  readonly operation: number;
  readonly filter: number;
  readonly name: Uint8Array;
  readonly newName: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly newValue: Uint8Array | null;
}

/** Two ranges of mappings to exchange (XMI). */
export interface ExchangeIntent {
  readonly kind: 'exchange';
  readonly ino1: number;
  readonly ino2: number;
  readonly generation1: number;
  readonly generation2: number;
  readonly offset1: number;
  readonly offset2: number;
  readonly blocks: number;
  readonly flags: number;
  readonly size1: number;
  readonly size2: number;
}

export type Intent = (FreeIntent | RmapIntent | RefcountIntent | BmapIntent | AttrIntent | ExchangeIntent) & {
  readonly id: bigint;
  readonly type: number;
};

/** Done items by the intent that they finish. */
const DONE = new Map<number, number>([
  [LogItem.EFD, LogItem.EFI],
  [LogItem.RUD, LogItem.RUI],
  [LogItem.CUD, LogItem.CUI],
  [LogItem.BUD, LogItem.BUI],
  [LogItem.ATTRD, LogItem.ATTRI],
  [LogItem.XMD, LogItem.XMI],
  [LogItem.EFD_RT, LogItem.EFI_RT],
  [LogItem.RUD_RT, LogItem.RUI_RT],
  [LogItem.CUD_RT, LogItem.CUI_RT],
]);

const INTENTS = new Set(DONE.values());

/** True for items that promise something or say that it was done. */
export function isIntentItem(type: number): boolean {
  return INTENTS.has(type) || DONE.has(type);
}

/** The type of the intent that a done item finishes, or null for other items. */
export function finishedType(type: number): number | null {
  return DONE.get(type) ?? null;
}

/** The number by which a done item names its intent (and an intent itself). */
export function intentId(item: RecoveredItem): bigint {
  const region = item.regions[0] as Uint8Array;
  if (region.length < 16) throw bad(item, `${region.length} bytes`);
  return view(region).getBigUint64(8, true);
}

/** The intents that were promised and not done, in their order. */
export class IntentTable {
  private readonly open = new Map<string, Intent>();

  /** Takes an intent or done item. @throws FsError EUCLEAN */
  add(item: RecoveredItem): void {
    const finished = finishedType(item.type);
    if (finished !== null) this.open.delete(`${finished}/${intentId(item)}`);
    else this.open.set(`${item.type}/${intentId(item)}`, decodeIntent(item));
  }

  get pending(): readonly Intent[] {
    return [...this.open.values()];
  }
}

/** Decodes an intent. @throws FsError EUCLEAN */
export function decodeIntent(item: RecoveredItem): Intent {
  const id = intentId(item);
  const { type } = item;
  switch (type) {
    case LogItem.EFI:
    case LogItem.EFI_RT:
      return { kind: 'free', type, id, realtime: type === LogItem.EFI_RT, extents: freeExtents(item) };
    case LogItem.RUI:
    case LogItem.RUI_RT:
      return { kind: 'rmap', type, id, realtime: type === LogItem.RUI_RT, extents: mapExtents(item) };
    case LogItem.CUI:
    case LogItem.CUI_RT:
      return { kind: 'refcount', type, id, realtime: type === LogItem.CUI_RT, extents: physExtents(item) };
    case LogItem.BUI:
      return { kind: 'bmap', type, id, extents: mapExtents(item) };
    case LogItem.ATTRI:
      return { ...attrIntent(item), type, id };
    default:
      return { ...exchangeIntent(item), type, id };
  }
}

function view(region: Uint8Array): DataView {
  return new DataView(region.buffer, region.byteOffset, region.length);
}

/** The number of array elements of `size` bytes after the 16 bytes of format, as both the count and the length say. */
function elements(item: RecoveredItem, size: number): number {
  const region = item.regions[0] as Uint8Array;
  const count = u32(region, 4);
  if (count === 0 || region.length < 16 + count * size) throw bad(item, `${count} extents in ${region.length} bytes`);
  return count;
}

/** EFIs of 32-bit machines have extents of 12 bytes, those of 64-bit ones 16. */
function freeExtents(item: RecoveredItem): { fsb: number; length: number }[] {
  const region = item.regions[0] as Uint8Array;
  const count = u32(region, 4);
  const size = region.length >= 16 + count * 16 ? 16 : 12;
  elements(item, size);
  return Array.from({ length: count }, (_, i) => ({
    fsb: readLe64(view(region), 16 + i * size),
    length: u32(region, 24 + i * size),
  }));
}

function mapExtents(
  item: RecoveredItem,
): { owner: number; fsb: number; offset: number; length: number; flags: number }[] {
  const region = item.regions[0] as Uint8Array;
  const data = view(region);
  return Array.from({ length: elements(item, 32) }, (_, i) => {
    const at = 16 + i * 32;
    return {
      owner: ownerNumber(data, at),
      fsb: readLe64(data, at + 8),
      offset: readLe64(data, at + 16),
      length: data.getUint32(at + 24, true),
      flags: data.getUint32(at + 28, true),
    };
  });
}

/** Owners that are no inode are negative: XFS_RMAP_OWN_FS is -3 and so on. */
function ownerNumber(data: DataView, at: number): number {
  return Number(data.getBigInt64(at, true));
}

function physExtents(item: RecoveredItem): { fsb: number; length: number; flags: number }[] {
  const region = item.regions[0] as Uint8Array;
  const data = view(region);
  return Array.from({ length: elements(item, 16) }, (_, i) => ({
    fsb: readLe64(data, 16 + i * 16),
    length: data.getUint32(24 + i * 16, true),
    flags: data.getUint32(28 + i * 16, true),
  }));
}

/** Operations of an attribute intent (XFS_ATTRI_OP_FLAGS_*). */
export const AttrOperation = {
  SET: 1,
  REMOVE: 2,
  REPLACE: 3,
  PPTR_SET: 4,
  PPTR_REMOVE: 5,
  PPTR_REPLACE: 6,
} as const;

function attrIntent(item: RecoveredItem): AttrIntent {
  const region = item.regions[0] as Uint8Array;
  if (region.length < 40) throw bad(item, `${region.length} bytes`);
  const data = view(region);
  const operation = u32(region, 24) & 0xff;
  const replace = operation === AttrOperation.PPTR_REPLACE;
  const nameLength = replace ? u16(region, 28) : u32(region, 28);
  const newLength = replace ? u16(region, 30) : 0;
  const valueLength = u32(region, 32);
  let next = 1;
  const take = (length: number): Uint8Array | null => {
    if (length === 0) return null;
    const bytes = item.regions[next++];
    if (bytes === undefined || bytes.length < length) throw bad(item, 'name or value is missing');
    return bytes.subarray(0, length);
  };
  const name = take(nameLength);
  if (name === null) throw bad(item, 'no name');
  const newName = take(newLength);
  const value = take(valueLength);
  const newValue = replace ? take(valueLength) : null;
  return {
    kind: 'attr',
    ino: readLe64(data, 16),
    generation: u32(region, 4),
    operation,
    filter: u32(region, 36),
    name,
    newName,
    value,
    newValue,
  };
}

function exchangeIntent(item: RecoveredItem): ExchangeIntent {
  const region = item.regions[0] as Uint8Array;
  if (region.length < 88) throw bad(item, `${region.length} bytes`);
  const data = view(region);
  return {
    kind: 'exchange',
    ino1: readLe64(data, 16),
    ino2: readLe64(data, 24),
    generation1: u32(region, 32),
    generation2: u32(region, 36),
    offset1: readLe64(data, 40),
    offset2: readLe64(data, 48),
    blocks: readLe64(data, 56),
    flags: Number(data.getBigUint64(64, true)),
    size1: Number(data.getBigInt64(72, true)),
    size2: Number(data.getBigInt64(80, true)),
  };
}

function bad(item: RecoveredItem, rule: string): Error {
  return corrupt({ structure: `log item 0x${item.type.toString(16)}`, rule });
}
