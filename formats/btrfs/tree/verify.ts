/**
 * Judges a tree block as it comes from a device, before anything in it is believed: header, order of keys, bounds of
 * items; then each item by the rules of its type. What is allowed here needs no check where it is used. Mirrors
 * btrfs_validate_extent_buffer() of disk-io.c and tree-checker.c.
 */
import { type Damage, FsError } from '../../../core/errors.ts';
import { sealMatches } from '../checksum.ts';
import {
  HEADER_SIZE,
  Header,
  HeaderFlag,
  ITEM_SIZE,
  Item,
  KEY_PTR_SIZE,
  KeyPtr,
  MAX_LEVEL,
  nodePtrsPerBlock,
} from '../structure/block.ts';
import { readU64 } from '../structure/fields.ts';
import { KEY_SIZE, Key, Objectid } from '../structure/key.ts';
import { isFsTree, treeText } from '../structure/key-names.ts';
import type { Fault } from './fault.ts';
import type { VerifyContext } from './item-at.ts';
import { itemFault } from './verify-items.ts';

/** What the one who asks for a block knows of it. */
export interface Expected {
  bytenr: number;
  level: number;
  /** 0: unknown. */
  generation: number;
  /** Id of the tree; 0: unknown. */
  owner: number;
  firstKey: Key | null;
}

/** What is wrong with the block, or null. `structure` is left to the caller. */
export function verifyBlock(
  context: VerifyContext,
  view: DataView,
  bytes: Uint8Array,
  expected: Expected,
): Omit<Damage, 'structure'> | null {
  try {
    return headerFault(context, view, bytes, expected) ?? itemsFault(context, view);
  } catch (error) {
    // A 64-bit number that no field may have.
    if (error instanceof FsError) return { rule: error.damage?.rule ?? error.message, ...foundIn(error) };
    throw error;
  }
}

/** What is wrong with the items or pointers of a block whose header is right, or null. @throws FsError EUCLEAN */
export function itemsFault(context: VerifyContext, view: DataView): Fault | null {
  return Header.get.level(view, 0) === 0 ? leafFault(context, view) : nodeFault(context, view);
}

function foundIn(error: FsError): { value?: string } {
  return error.damage?.value === undefined ? {} : { value: error.damage.value };
}

function fault(field: keyof typeof Header.at, value: number | string, rule: string): Fault {
  return { field, value: String(value), rule, offset: Header.at[field] };
}

function headerFault(context: VerifyContext, view: DataView, bytes: Uint8Array, expected: Expected): Fault | null {
  const bytenr = Header.get.bytenr(view, 0);
  if (bytenr !== expected.bytenr) return fault('bytenr', bytenr, 'not its own address');
  if (!context.ownsFsid(bytes, Header.at.fsid)) {
    return fault('fsid', Buffer.from(Header.get.fsid(view, 0)).toString('hex'), 'of another file system');
  }
  const level = Header.get.level(view, 0);
  if (level >= MAX_LEVEL) return fault('level', level, `>= ${MAX_LEVEL}`);
  if (!sealMatches(context.csum, bytes)) {
    const found = Buffer.from(bytes.subarray(0, context.csum.size)).toString('hex');
    return fault('csum', `0x${found}`, `wrong (${context.csum.name})`);
  }
  if (level !== expected.level) return fault('level', level, `not ${expected.level}`);
  const generation = Header.get.generation(view, 0);
  if (expected.generation !== 0 && generation !== expected.generation) {
    return fault('generation', generation, `its parent says ${expected.generation}`);
  }
  if (!(generation >= 0 && generation <= context.generation() + 1)) {
    return fault('generation', generation, `newer than the superblock's ${context.generation()}`);
  }
  if ((Header.get.flags(view, 0) & HeaderFlag.WRITTEN) === 0) return fault('flags', 0, 'not marked as written');
  return ownerFault(view, expected.owner) ?? firstKeyFault(context, view, expected);
}

function ownerFault(view: DataView, wanted: number): Fault | null {
  // Log and relocation trees carry the id of another tree; 0 is asked where the tree is not known.
  if (wanted === 0 || wanted === Objectid.TREE_LOG || wanted === Objectid.TREE_RELOC) return null;
  const owner = Header.get.owner(view, 0);
  if (isFsTree(wanted) ? isFsTree(owner) : owner === wanted) return null;
  return fault('owner', treeText(owner), `not ${treeText(wanted)}`);
}

const found = new Key();

function firstKeyFault(context: VerifyContext, view: DataView, expected: Expected): Fault | null {
  if (expected.firstKey === null) return null;
  if (Header.get.nritems(view, 0) === 0) return fault('nritems', 0, 'a parent points to it');
  if (context.nodeSize < HEADER_SIZE + KEY_SIZE) return null;
  found.read(view, HEADER_SIZE);
  if (expected.firstKey.compare(found) === 0) return null;
  return {
    field: 'first key',
    value: String(found),
    rule: `its parent says ${expected.firstKey}`,
    offset: HEADER_SIZE,
  };
}

const key = new Key();

function nodeFault(context: VerifyContext, view: DataView): Fault | null {
  const count = Header.get.nritems(view, 0);
  const most = nodePtrsPerBlock(context.nodeSize);
  if (count === 0 || count > most) return fault('nritems', count, `not from 1 to ${most}`);
  for (let slot = 0; slot < count; slot++) {
    const at = HEADER_SIZE + slot * KEY_PTR_SIZE;
    const pointer = readU64(view, at + KeyPtr.at.blockptr);
    if (!(pointer > 0) || pointer % context.sectorSize !== 0) {
      const offset = at + KeyPtr.at.blockptr;
      return {
        field: `blockptr ${slot}`,
        value: String(pointer),
        rule: `0 or not aligned to ${context.sectorSize}`,
        offset,
      };
    }
    if (slot === 0) continue;
    if (key.read(view, at - KEY_PTR_SIZE).compareAt(view, at) >= 0) return orderFault('keyptr', slot, view, at);
  }
  return null;
}

function orderFault(kind: string, slot: number, view: DataView, at: number): Fault {
  const value = new Key().read(view, at).toString();
  return { field: `${kind} ${slot}`, value, rule: `does not sort after ${key}`, offset: at };
}

/** Trees that always have an item. */
const NEVER_EMPTY: ReadonlySet<number> = new Set<number>([
  Objectid.ROOT_TREE,
  Objectid.CHUNK_TREE,
  Objectid.DEV_TREE,
  Objectid.FS_TREE,
  Objectid.DATA_RELOC_TREE,
  Objectid.EXTENT_TREE,
]);

const previous = new Key();

function leafFault(context: VerifyContext, view: DataView): Fault | null {
  const count = Header.get.nritems(view, 0);
  const owner = Header.get.owner(view, 0);
  if (count === 0) {
    if ((Header.get.flags(view, 0) & HeaderFlag.RELOC) !== 0) return null;
    if (NEVER_EMPTY.has(owner)) return fault('nritems', 0, `${treeText(owner)} is never empty`);
    return owner === 0 ? fault('owner', 0, 'no tree has this id') : null;
  }
  const most = Math.floor((context.nodeSize - HEADER_SIZE) / ITEM_SIZE);
  if (count > most) return fault('nritems', count, `> ${most}`);
  let end = context.nodeSize - HEADER_SIZE;
  previous.set(0, 0, 0);
  const itemsEnd = count * ITEM_SIZE;
  for (let slot = 0; slot < count; slot++) {
    const at = HEADER_SIZE + slot * ITEM_SIZE;
    key.read(view, at);
    if (previous.compare(key) >= 0) {
      key.copyFrom(previous);
      return orderFault('item', slot, view, at);
    }
    const offset = view.getUint32(at + Item.at.offset, true);
    const size = view.getUint32(at + Item.at.size, true);
    if (offset + size !== end || offset < itemsEnd) {
      const value = `${offset}+${size}`;
      return {
        field: `item ${slot} ${key}`,
        value,
        rule: `must end at ${end} and not begin before ${itemsEnd}`,
        offset: at,
      };
    }
    const wrong = itemFault(context, view, slot, key, previous, owner, HEADER_SIZE + offset, size);
    if (wrong !== null) {
      const field = `item ${slot} ${key}${wrong.field === undefined ? '' : ` ${wrong.field}`}`;
      return { ...wrong, field, offset: HEADER_SIZE + offset + (wrong.offset ?? 0) };
    }
    end = offset;
    previous.copyFrom(key);
  }
  return null;
}
