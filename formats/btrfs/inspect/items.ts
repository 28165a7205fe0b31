/** What dump-tree prints below the header of an item: one line of a table for each item type. */
import {
  BalanceItem,
  BlockGroupItem,
  ChunkItem,
  DevExtent,
  DevItem,
  DevReplaceItem,
  DevStatsItem,
  DiskBalanceArgs,
  FreeSpaceInfo,
  RaidStride,
  Stripe,
} from '../structure/chunk.ts';
import { FILE_EXTENT_INLINE_START, FileExtentItem, FileExtentType, FreeSpaceHeader } from '../structure/file-extent.ts';
import { DirLogItem, InodeItem } from '../structure/inode.ts';
import { ItemType, Objectid } from '../structure/key-names.ts';
import { QGROUP_STATUS_LEGACY_SIZE, QgroupInfoItem, QgroupLimitItem, QgroupStatusItem } from '../structure/qgroup.ts';
import { ROOT_ITEM_LEGACY_SIZE, RootItem, RootRef } from '../structure/root.ts';
import { showDataRef, showExtentItem, showMetadataItem, showOwnerRef, showSharedDataRef } from './extent-items.ts';
import {
  compressionText,
  fileExtentText,
  groupAt,
  hexAt,
  inodeFlagsAt,
  octalAt,
  qgroupFlagsAt,
  rootFlagsAt,
} from './flag-text.ts';
import { type ItemPlace, textAt } from './item-place.ts';
import { objectidText } from './key-text.ts';
import { showChecksums, showDirItems, showInodeExtrefs, showInodeRefs, showUuidItem } from './list-items.ts';
import { localTime, numberOrText, type Shown, structData, Template } from './template.ts';

type Show = (item: ItemPlace) => Shown;

const says =
  (line: string): Show =>
  () => ({ lines: [`\t\t${line}`], data: {} });

/** An item that is one structure; a shorter one is said to be so. */
function whole(template: Template): Show {
  return ({ view, at, size }) => (size < template.struct.size ? tooShort(size) : template.show(view, at));
}

function tooShort(size: number): Shown {
  return { lines: [`\t\titem of ${size} bytes is too short`], data: {} };
}

const inodeItem = new Template(
  InodeItem,
  `\t\tgeneration {generation} transid {transid} size {size} nbytes {nbytes}
\t\tblock group {block_group} mode {mode} links {nlink} uid {uid} gid {gid} rdev {rdev}
\t\tsequence {sequence} flags {flags}({names})
\t\tatime {atime}
\t\tctime {ctime}
\t\tmtime {mtime}
\t\totime {otime}`,
  {
    mode: octalAt(InodeItem.at.mode),
    flags: hexAt(InodeItem.at.flags),
    names: inodeFlagsAt(InodeItem.at.flags),
  },
);

const rootItem = new Template(
  RootItem,
  `\t\tgeneration {generation} root_dirid {root_dirid} bytenr {bytenr} byte_limit {byte_limit} bytes_used {bytes_used}
\t\tlast_snapshot {last_snapshot} flags {flags}({names}) refs {refs}
\t\tdrop_progress key {drop_progress} drop_level {drop_level}
\t\tlevel {level} generation_v2 {generation_v2}`,
  { flags: hexAt(RootItem.at.flags), names: rootFlagsAt(RootItem.at.flags) },
);
const rootItemNew = new Template(
  RootItem,
  `\t\tuuid {uuid}
\t\tparent_uuid {parent_uuid}
\t\treceived_uuid {received_uuid}
\t\tctransid {ctransid} otransid {otransid} stransid {stransid} rtransid {rtransid}
\t\tctime {ctime}
\t\totime {otime}
\t\tstime {stime}
\t\trtime {rtime}`,
);

function showRootItem({ view, at, size }: ItemPlace): Shown {
  if (size < ROOT_ITEM_LEGACY_SIZE) return tooShort(size);
  // What old kernels did not write reads as zeros.
  const bytes = new Uint8Array(RootItem.size);
  bytes.set(new Uint8Array(view.buffer, view.byteOffset + at, Math.min(size, RootItem.size)));
  const own = new DataView(bytes.buffer);
  const lines = rootItem.lines(own, 0);
  const current = own.getBigUint64(RootItem.at.generation, true) === own.getBigUint64(RootItem.at.generation_v2, true);
  if (current) lines.push(...rootItemNew.lines(own, 0));
  return { lines, data: structData(RootItem, own, 0) };
}

function showRootRef(which: 'ref' | 'backref'): Show {
  const header = new Template(RootRef, `\t\troot ${which} key dirid {dirid} sequence {sequence} name `);
  return ({ view, at, size, options }) => {
    if (size < RootRef.size) return tooShort(size);
    const length = Math.min(RootRef.get.name_len(view, at), size - RootRef.size);
    const name = options.hideNames ? 'HIDDEN' : textAt(view, at + RootRef.size, length);
    return { lines: [header.lines(view, at).join('') + name], data: { ...structData(RootRef, view, at), name } };
  };
}

const fileExtent = new Template(FileExtentItem, '\t\tgeneration {generation} type {type} ({name})', {
  name: (view, at) => fileExtentText(FileExtentItem.get.type(view, at)),
});
const compressionName = (view: DataView, at: number): string =>
  compressionText(FileExtentItem.get.compression(view, at));
const preallocExtent = new Template(
  FileExtentItem,
  '\t\tprealloc data disk byte {disk_bytenr} nr {disk_num_bytes}\n\t\tprealloc data offset {offset} nr {num_bytes}',
);
const regularExtent = new Template(
  FileExtentItem,
  `\t\textent data disk byte {disk_bytenr} nr {disk_num_bytes}
\t\textent data offset {offset} nr {num_bytes} ram {ram_bytes}
\t\textent compression {compression} ({name})`,
  { name: compressionName },
);
const INLINE_FIELDS = ['generation', 'ram_bytes', 'compression', 'encryption', 'other_encoding', 'type'];

function showFileExtent({ view, at, size }: ItemPlace): Shown {
  if (size < FILE_EXTENT_INLINE_START) return tooShort(size);
  const head = fileExtent.lines(view, at);
  const type = FileExtentItem.get.type(view, at);
  if (type === FileExtentType.INLINE) {
    const bytes = size - FILE_EXTENT_INLINE_START;
    const ram = view.getBigUint64(at + FileExtentItem.at.ram_bytes, true);
    const compression = FileExtentItem.get.compression(view, at);
    const line = `\t\tinline extent data size ${bytes} ram_bytes ${ram} compression ${compression} (${compressionName(view, at)})`;
    const fields = FileExtentItem.fields.filter(({ name }) => INLINE_FIELDS.includes(name));
    const data = structData({ fields }, view, at);
    return { lines: [...head, line], data: { ...data, inline_size: bytes } };
  }
  if (size < FileExtentItem.size) return tooShort(size);
  const template = type === FileExtentType.PREALLOC ? preallocExtent : regularExtent;
  return { lines: [...head, ...template.lines(view, at)], data: structData(FileExtentItem, view, at) };
}

const chunkItem = new Template(
  ChunkItem,
  `\t\tlength {length} owner {owner} stripe_len {stripe_len} type {type}
\t\tio_align {io_align} io_width {io_width} sector_size {sector_size}
\t\tnum_stripes {num_stripes} sub_stripes {sub_stripes}`,
  { type: groupAt(ChunkItem.at.type) },
);
const stripe = new Template(Stripe, ' devid {devid} offset {offset}\n\t\t\tdev_uuid {dev_uuid}');

/** A chunk and its stripes, of which at most `size` bytes are there. */
export function showChunk(view: DataView, at: number, size: number): Shown {
  if (size < ChunkItem.size) return tooShort(size);
  const lines = chunkItem.lines(view, at);
  const stripes: object[] = [];
  const count = Math.min(ChunkItem.get.num_stripes(view, at), Math.floor((size - ChunkItem.size) / Stripe.size));
  for (let i = 0; i < count; i++) {
    const place = at + ChunkItem.size + i * Stripe.size;
    lines.push(...`\t\t\tstripe ${i}${stripe.lines(view, place).join('\n')}`.split('\n'));
    stripes.push(structData(Stripe, view, place));
  }
  return { lines, data: { ...structData(ChunkItem, view, at), stripes } };
}

const devStats = ['write_errs', 'read_errs', 'flush_errs', 'corruption_errs', 'generation'];

function showPersistent({ key, view, at, size }: ItemPlace): Shown {
  const objectid = objectidText(key.oh, key.ol, key.type);
  const lines = [`\t\tpersistent item objectid ${objectid} offset ${key.fh * 2 ** 32 + key.fl}`];
  if (objectid !== 'DEV_STATS') {
    return { lines: [...lines, `\t\tunknown persistent item objectid ${objectid}`], data: {} };
  }
  if (size < DevStatsItem.size) return tooShort(size);
  const values = devStats.map((name, i) => [name, view.getBigUint64(at + i * 8, true)] as const);
  lines.push('\t\tdevice stats', `\t\t${values.map(([name, value]) => `${name} ${value}`).join(' ')}`);
  return { lines, data: Object.fromEntries(values.map(([name, value]) => [name, numberOrText(value)])) };
}

const balanceArgs = new Template(
  DiskBalanceArgs,
  `\t\tprofiles {profiles} devid {devid} target {target} flags {flags}
\t\tusage_min {usage_min} usage_max {usage_max} pstart {pstart} pend {pend}
\t\tvstart {vstart} vend {vend} limit_min {limit_min} limit_max {limit_max}
\t\tstripes_min {stripes_min} stripes_max {stripes_max}`,
);

function showTemporary({ key, view, at, size }: ItemPlace): Shown {
  const objectid = objectidText(key.oh, key.ol, key.type);
  const lines = [`\t\ttemporary item objectid ${objectid} offset ${key.fh * 2 ** 32 + key.fl}`];
  if (objectid !== 'BALANCE') {
    return { lines: [...lines, `\t\tunknown temporary item objectid ${objectid}`], data: {} };
  }
  if (size < BalanceItem.size) return tooShort(size);
  const flags = view.getBigUint64(at, true);
  lines.push(`\t\tbalance status flags ${flags}`);
  const data: Record<string, unknown> = { flags: numberOrText(flags) };
  for (const kind of ['data', 'meta', 'sys'] as const) {
    const place = at + BalanceItem.at[kind];
    lines.push(`\t\t${{ data: 'DATA', meta: 'METADATA', sys: 'SYSTEM' }[kind]}`, ...balanceArgs.lines(view, place));
    data[kind] = structData(DiskBalanceArgs, view, place);
  }
  return { lines, data };
}

const qgroupStatus = new Template(
  QgroupStatusItem,
  '\t\tversion {version} generation {generation} flags {flags} scan {rescan}',
  { flags: qgroupFlagsAt(QgroupStatusItem.at.flags) },
);

function showQgroupStatus({ view, at, size, simpleQuota }: ItemPlace): Shown {
  if (size < QGROUP_STATUS_LEGACY_SIZE) return tooShort(size);
  const extended = simpleQuota && size >= QgroupStatusItem.size;
  const last = extended ? ` enable_gen ${view.getBigUint64(at + QgroupStatusItem.at.enable_gen, true)}` : '';
  const fields = QgroupStatusItem.fields.slice(0, extended ? 5 : 4);
  return {
    lines: [qgroupStatus.lines(view, at).join('') + last],
    data: structData({ fields }, view, at),
  };
}

const signedAt =
  (offset: number) =>
  (view: DataView, at: number): string =>
    String(view.getBigInt64(at + offset, true));
const timeAt =
  (offset: number) =>
  (view: DataView, at: number): string => {
    const seconds = view.getBigUint64(at + offset, true);
    return `${seconds} (${localTime(seconds)})`;
  };
const replaceModes: Readonly<Record<string, string>> = { 0: 'ALWAYS', 1: 'AVOID' };
const replaceStates = ['NEVER_STARTED', 'STARTED', 'FINISHED', 'CANCELED', 'SUSPENDED'];

const devReplace = new Template(
  DevReplaceItem,
  `\t\tsrc devid {src_devid} cursor left {cursor_left} cursor right {cursor_right} mode {mode}
\t\tstate {state} write errors {num_write_errors} uncorrectable read errors {num_uncorrectable_read_errors}
\t\tstart time {time_started}
\t\tstop time {time_stopped}`,
  {
    src_devid: signedAt(DevReplaceItem.at.src_devid),
    mode: (view, at) => {
      const mode = view.getBigUint64(at + DevReplaceItem.at.cont_reading_from_srcdev_mode, true);
      return replaceModes[String(mode)] ?? `unknown(${mode})`;
    },
    state: (view, at) => {
      const state = view.getBigUint64(at + DevReplaceItem.at.replace_state, true);
      return replaceStates[Number(state)] ?? `unknown(${state})`;
    },
    time_started: timeAt(DevReplaceItem.at.time_started),
    time_stopped: timeAt(DevReplaceItem.at.time_stopped),
  },
);

const freeSpaceHeader = new Template(
  FreeSpaceHeader,
  '\t\tlocation key {location}\n\t\tcache generation {generation} entries {num_entries} bitmaps {num_bitmaps}',
);

function showRaidStripes({ view, at, size }: ItemPlace): Shown {
  const count = Math.floor(size / RaidStride.size);
  const template = new Template(RaidStride, ' devid {devid} physical {physical}');
  const places = Array.from({ length: count }, (_, i) => at + i * RaidStride.size);
  return {
    lines: places.map((place, i) => `\t\t\tstripe ${i}${template.lines(view, place).join('')}`),
    data: { stripes: places.map((place) => structData(RaidStride, view, place)) },
  };
}

const SHOWS: Readonly<Record<number, Show>> = {
  [ItemType.INODE_ITEM]: whole(inodeItem),
  [ItemType.INODE_REF]: showInodeRefs,
  [ItemType.INODE_EXTREF]: showInodeExtrefs,
  [ItemType.DIR_ITEM]: showDirItems,
  [ItemType.DIR_INDEX]: showDirItems,
  [ItemType.XATTR_ITEM]: showDirItems,
  [ItemType.DIR_LOG_ITEM]: whole(new Template(DirLogItem, '\t\tdir log end {end}')),
  [ItemType.DIR_LOG_INDEX]: whole(new Template(DirLogItem, '\t\tdir log end {end}')),
  [ItemType.ORPHAN_ITEM]: says('orphan item'),
  [ItemType.ROOT_ITEM]: showRootItem,
  [ItemType.ROOT_REF]: showRootRef('ref'),
  [ItemType.ROOT_BACKREF]: showRootRef('backref'),
  [ItemType.EXTENT_ITEM]: (item) => (item.size < 24 ? { lines: [], data: {} } : showExtentItem(item)),
  [ItemType.METADATA_ITEM]: (item) => (item.size < 24 ? { lines: [], data: {} } : showMetadataItem(item)),
  [ItemType.TREE_BLOCK_REF]: says('tree block backref'),
  [ItemType.SHARED_BLOCK_REF]: says('shared block backref'),
  [ItemType.EXTENT_DATA_REF]: (item) => (item.size < 28 ? tooShort(item.size) : showDataRef(item)),
  [ItemType.SHARED_DATA_REF]: (item) => (item.size < 4 ? tooShort(item.size) : showSharedDataRef(item)),
  [ItemType.EXTENT_OWNER_REF]: (item) => (item.size < 8 ? tooShort(item.size) : showOwnerRef(item)),
  [ItemType.EXTENT_CSUM]: showChecksums,
  [ItemType.EXTENT_DATA]: showFileExtent,
  [ItemType.BLOCK_GROUP_ITEM]: whole(
    new Template(BlockGroupItem, '\t\tblock group used {used} chunk_objectid {chunk_objectid} flags {flags}', {
      flags: groupAt(BlockGroupItem.at.flags),
    }),
  ),
  [ItemType.FREE_SPACE_INFO]: whole(
    new Template(FreeSpaceInfo, '\t\tfree space info extent count {extent_count} flags {flags}'),
  ),
  [ItemType.FREE_SPACE_EXTENT]: says('free space extent'),
  [ItemType.FREE_SPACE_BITMAP]: says('free space bitmap'),
  [ItemType.CHUNK_ITEM]: ({ view, at, size }) => showChunk(view, at, size),
  [ItemType.DEV_ITEM]: whole(
    new Template(
      DevItem,
      `\t\tdevid {devid} total_bytes {total_bytes} bytes_used {bytes_used}
\t\tio_align {io_align} io_width {io_width} sector_size {sector_size} type {type}
\t\tgeneration {generation} start_offset {start_offset} dev_group {dev_group}
\t\tseek_speed {seek_speed} bandwidth {bandwidth}
\t\tuuid {uuid}
\t\tfsid {fsid}`,
    ),
  ),
  [ItemType.DEV_EXTENT]: whole(
    new Template(
      DevExtent,
      `\t\tdev extent chunk_tree {chunk_tree}
\t\tchunk_objectid {chunk_objectid} chunk_offset {chunk_offset} length {length}
\t\tchunk_tree_uuid {chunk_tree_uuid}`,
    ),
  ),
  [ItemType.RAID_STRIPE]: showRaidStripes,
  [ItemType.QGROUP_STATUS]: showQgroupStatus,
  [ItemType.QGROUP_INFO]: whole(
    new Template(
      QgroupInfoItem,
      `\t\tgeneration {generation}
\t\treferenced {rfer} referenced_compressed {rfer_cmpr}
\t\texclusive {excl} exclusive_compressed {excl_cmpr}`,
    ),
  ),
  [ItemType.QGROUP_LIMIT]: whole(
    new Template(
      QgroupLimitItem,
      `\t\tflags {flags}
\t\tmax_referenced {max_rfer} max_exclusive {max_excl}
\t\trsv_referenced {rsv_rfer} rsv_exclusive {rsv_excl}`,
      {
        flags: (view, at) => view.getBigUint64(at, true).toString(16),
        max_rfer: signedAt(QgroupLimitItem.at.max_rfer),
        max_excl: signedAt(QgroupLimitItem.at.max_excl),
        rsv_rfer: signedAt(QgroupLimitItem.at.rsv_rfer),
        rsv_excl: signedAt(QgroupLimitItem.at.rsv_excl),
      },
    ),
  ),
  [ItemType.UUID_KEY_SUBVOL]: showUuidItem,
  [ItemType.UUID_KEY_RECEIVED_SUBVOL]: showUuidItem,
  [ItemType.STRING_ITEM]: ({ view, at, size }) => ({
    lines: [`\t\titem data ${textAt(view, at, size)}`],
    data: { data: textAt(view, at, size) },
  }),
  [ItemType.PERSISTENT_ITEM]: showPersistent,
  [ItemType.TEMPORARY_ITEM]: showTemporary,
  [ItemType.DEV_REPLACE]: whole(devReplace),
};

/** What an item says. An item of an unknown type says nothing. */
export function showItem(item: ItemPlace): Shown {
  const { key, view, at, size } = item;
  const isFreeSpaceHeader = key.type === 0 && key.oh === 0xffffffff && key.ol === 2 ** 32 + Objectid.FREE_SPACE;
  if (isFreeSpaceHeader) return size < FreeSpaceHeader.size ? tooShort(size) : freeSpaceHeader.show(view, at);
  return SHOWS[key.type]?.(item) ?? { lines: [], data: {} };
}
