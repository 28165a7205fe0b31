/** Which rules judge an item, by its type; sizes of the items that have no further rule. */
import { BlockGroupItem, DevItem, FreeSpaceInfo } from '../structure/chunk.ts';
import { DirLogItem, VerityDescriptorItem } from '../structure/inode.ts';
import { ItemType, type Key } from '../structure/key.ts';
import { QGROUP_STATUS_LEGACY_SIZE, QgroupInfoItem, QgroupLimitItem } from '../structure/qgroup.ts';
import { type Fault, leastFault, sizeFault } from './fault.ts';
import type { ItemAt, VerifyContext } from './item-at.ts';
import { blockGroupFault, chunkFault, devExtentFault, devItemFault } from './verify-chunk.ts';
import { csumFault, dataRefFault, extentItemFault, keyedRefFault } from './verify-extent.ts';
import { dirItemFault, extrefFault, fileExtentFault, inodeItemFault, inodeRefFault } from './verify-file.ts';
import { rootItemFault, rootRefFault } from './verify-root.ts';

// One object for all items: a leaf has hundreds.
let item: ItemAt | null = null;

/** What is wrong with an item, or null. Offsets in the answer count from the item's data. */
export function itemFault(
  context: VerifyContext,
  view: DataView,
  slot: number,
  key: Key,
  previous: Key,
  owner: number,
  at: number,
  size: number,
): Fault | null {
  item ??= { context, view, slot, key, previous, owner, at, size };
  item.context = context;
  item.view = view;
  item.slot = slot;
  item.key = key;
  item.previous = previous;
  item.owner = owner;
  item.at = at;
  item.size = size;
  switch (key.type) {
    case ItemType.INODE_ITEM:
      return inodeItemFault(item);
    case ItemType.INODE_REF:
      return inodeRefFault(item);
    case ItemType.INODE_EXTREF:
      return extrefFault(item);
    case ItemType.DIR_ITEM:
    case ItemType.DIR_INDEX:
    case ItemType.XATTR_ITEM:
      return dirItemFault(item);
    case ItemType.EXTENT_DATA:
      return fileExtentFault(item);
    case ItemType.EXTENT_CSUM:
      return csumFault(item);
    case ItemType.EXTENT_ITEM:
    case ItemType.METADATA_ITEM:
      return extentItemFault(item);
    case ItemType.TREE_BLOCK_REF:
    case ItemType.SHARED_BLOCK_REF:
    case ItemType.SHARED_DATA_REF:
      return keyedRefFault(item);
    case ItemType.EXTENT_DATA_REF:
      return dataRefFault(item);
    case ItemType.ROOT_ITEM:
      return rootItemFault(item);
    case ItemType.ROOT_REF:
    case ItemType.ROOT_BACKREF:
      return rootRefFault(item);
    case ItemType.BLOCK_GROUP_ITEM:
      return sizeFault(size, BlockGroupItem.size) ?? blockGroupFault(item);
    case ItemType.CHUNK_ITEM:
      return chunkFault(item);
    case ItemType.DEV_ITEM:
      return sizeFault(size, DevItem.size) ?? devItemFault(item);
    case ItemType.DEV_EXTENT:
      return devExtentFault(item);
    case ItemType.DIR_LOG_ITEM:
    case ItemType.DIR_LOG_INDEX:
      return sizeFault(size, DirLogItem.size);
    case ItemType.VERITY_DESC_ITEM:
      // At offset 0 the item, from 1 on the descriptor's bytes.
      return key.fl === 0 && key.fh === 0 ? sizeFault(size, VerityDescriptorItem.size) : null;
    case ItemType.FREE_SPACE_INFO:
      return sizeFault(size, FreeSpaceInfo.size);
    case ItemType.FREE_SPACE_EXTENT:
      return sizeFault(size, 0);
    case ItemType.FREE_SPACE_BITMAP:
      return sizeFault(size, Math.ceil(item.key.offset / item.context.sectorSize / 8));
    case ItemType.QGROUP_STATUS:
      return leastFault(size, QGROUP_STATUS_LEGACY_SIZE);
    case ItemType.QGROUP_INFO:
      return sizeFault(size, QgroupInfoItem.size);
    case ItemType.QGROUP_LIMIT:
      return sizeFault(size, QgroupLimitItem.size);
    case ItemType.UUID_KEY_SUBVOL:
    case ItemType.UUID_KEY_RECEIVED_SUBVOL:
      return size % 8 === 0 ? null : { field: 'item size', value: String(size), rule: 'not a multiple of 8' };
    default:
      return null;
  }
}
