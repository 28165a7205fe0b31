/** A superblock as dump-super prints it. */
import { DevItem as DEV_ITEM } from '../structure/chunk.ts';
import { CompatRo, Incompat } from '../structure/features.ts';
import { KEY_SIZE, Key } from '../structure/key.ts';
import { RootBackup, SUPER_MAGIC, SuperBlock, SuperFlag, SYSTEM_CHUNK_ARRAY_SIZE } from '../structure/superblock.ts';
import { flagLines } from './flag-text.ts';
import { showChunk } from './items.ts';
import { keyData, keyText } from './key-text.ts';
import { numberOrText, type Shown, structData, Template, uuidText, type Writer } from './template.ts';

const { at } = SuperBlock;
const BACKUPS = 4;

/** What the superblock's bytes alone do not tell. */
export interface SuperSetting {
  /** The checksum's name and bytes; null for a kind that does not exist. */
  readonly csum: { readonly name: string; readonly size: number; readonly matches: boolean } | null;
  /** With the chunks of the system and the backup roots. */
  readonly full: boolean;
}

const text =
  (offset: number, length: number): Writer =>
  (view, base) => {
    const bytes = Buffer.from(view.buffer, view.byteOffset + base + offset, length);
    const end = bytes.indexOf(0);
    return bytes.toString('latin1', 0, end < 0 ? length : end).replace(/[^ -~]/g, '.');
  };
const hex =
  (offset: number): Writer =>
  (view, base) =>
    `0x${view.getBigUint64(base + offset, true).toString(16)}`;
const devField = (field: string): Writer => {
  const template = new Template(DEV_ITEM, `{${field}}`);
  return (view, base) => template.lines(view, base + at.dev_item).join('');
};

function incompat(view: DataView): bigint {
  return view.getBigUint64(at.incompat_flags, true);
}

function sameUuid(view: DataView, a: number, b: number): string {
  return uuidText(view, a) === uuidText(view, b) ? '[match]' : "[DON'T MATCH]";
}

const head = new Template(
  SuperBlock,
  `fsid\t\t\t{fsid}
metadata_uuid\t\t{metadata_uuid}
label\t\t\t{label}
generation\t\t{generation}
root\t\t\t{root}
sys_array_size\t\t{sys_chunk_array_size}
chunk_root_generation\t{chunk_root_generation}
root_level\t\t{root_level}
chunk_root\t\t{chunk_root}
chunk_root_level\t{chunk_root_level}
log_root\t\t{log_root}
log_root_transid (deprecated)\t{log_root_transid}
log_root_level\t\t{log_root_level}
total_bytes\t\t{total_bytes}
bytes_used\t\t{bytes_used}
sectorsize\t\t{sectorsize}
nodesize\t\t{nodesize}
leafsize (deprecated)\t{leafsize}
stripesize\t\t{stripesize}
root_dir\t\t{root_dir_objectid}
num_devices\t\t{num_devices}
compat_flags\t\t{compat}
compat_ro_flags\t\t{compat_ro}`,
  {
    label: text(at.label, 256),
    compat: hex(at.compat_flags),
    compat_ro: hex(at.compat_ro_flags),
    // Images without a metadata UUID of their own show the one that counts.
    metadata_uuid: (view) => uuidText(view, hasMetadataUuid(view) ? at.metadata_uuid : at.fsid),
  },
);

const tail = new Template(
  SuperBlock,
  `cache_generation\t{cache_generation}
uuid_tree_generation\t{uuid_tree_generation}
dev_item.uuid\t\t{uuid}
dev_item.fsid\t\t{fsid} {match}
dev_item.type\t\t{type}
dev_item.total_bytes\t{total_bytes}
dev_item.bytes_used\t{bytes_used}
dev_item.io_align\t{io_align}
dev_item.io_width\t{io_width}
dev_item.sector_size\t{sector_size}
dev_item.devid\t\t{devid}
dev_item.dev_group\t{dev_group}
dev_item.seek_speed\t{seek_speed}
dev_item.bandwidth\t{bandwidth}
dev_item.generation\t{generation}`,
  {
    match: (view) => sameUuid(view, at.dev_item + DEV_ITEM.at.fsid, hasMetadataUuid(view) ? at.metadata_uuid : at.fsid),
    ...Object.fromEntries(DEV_ITEM.fields.map(({ name }) => [name, devField(name)])),
  },
);

function hasMetadataUuid(view: DataView): boolean {
  return (incompat(view) & Incompat.METADATA_UUID) !== 0n;
}

const SUPER_FLAGS = Object.entries(SuperFlag).filter(([name]) => name !== 'ERROR');

function csumLines(view: DataView, { csum }: SuperSetting): string[] {
  const type = view.getUint16(at.csum_type, true);
  const size = csum?.size ?? 32;
  const bytes = Buffer.from(view.buffer, view.byteOffset + at.csum, size).toString('hex');
  const verdict = csum === null ? '[UNKNOWN CSUM TYPE OR SIZE]' : csum.matches ? '[match]' : "[DON'T MATCH]";
  return [
    `csum_type\t\t${type} (${csum?.name ?? 'INVALID'})`,
    `csum_size\t\t${size}`,
    `csum\t\t\t0x${bytes} ${verdict}`,
  ];
}

function magicLine(view: DataView): string {
  const magic = Buffer.from(view.buffer, view.byteOffset + at.magic, 8)
    .toString('latin1')
    .replace(/[^ -~]/g, '.');
  return `magic\t\t\t${magic} ${view.getBigUint64(at.magic, true) === SUPER_MAGIC ? '[match]' : "[DON'T MATCH]"}`;
}

function systemChunks(view: DataView): { lines: string[]; data: object[] } {
  const lines: string[] = [];
  const data: object[] = [];
  const size = Math.min(view.getUint32(at.sys_chunk_array_size, true), SYSTEM_CHUNK_ARRAY_SIZE);
  const end = at.sys_chunk_array + size;
  const key = new Key();
  let place = at.sys_chunk_array;
  for (let item = 0; place + KEY_SIZE < end; item++) {
    key.read(view, place);
    place += KEY_SIZE;
    const shown = showChunk(view, place, end - place);
    lines.push(`\titem ${item} key ${keyText(key)}`, ...shown.lines);
    data.push({ key: keyData(key), ...shown.data });
    const stripes = (shown.data as { stripes?: readonly object[] }).stripes;
    if (stripes === undefined) break;
    place += 48 + stripes.length * 32;
  }
  return { lines, data };
}

const backup = new Template(
  RootBackup,
  `\t\tbackup_tree_root:\t{tree_root}\tgen: {tree_root_gen}\tlevel: {tree_root_level}
\t\tbackup_chunk_root:\t{chunk_root}\tgen: {chunk_root_gen}\tlevel: {chunk_root_level}
\t\tbackup_extent_root:\t{extent_root}\tgen: {extent_root_gen}\tlevel: {extent_root_level}
\t\tbackup_fs_root:\t\t{fs_root}\tgen: {fs_root_gen}\tlevel: {fs_root_level}
\t\tbackup_dev_root:\t{dev_root}\tgen: {dev_root_gen}\tlevel: {dev_root_level}
\t\tcsum_root:\t{csum_root}\tgen: {csum_root_gen}\tlevel: {csum_root_level}
\t\tbackup_total_bytes:\t{total_bytes}
\t\tbackup_bytes_used:\t{bytes_used}
\t\tbackup_num_devices:\t{num_devices}
`,
);

const backupsOf = (view: DataView): readonly (readonly [number, number])[] =>
  Array.from({ length: BACKUPS }, (_, i) => [i, at.super_roots + i * RootBackup.size] as const).filter(
    ([, place]) => view.getBigUint64(place, true) !== 0n || view.getBigUint64(place + 8, true) !== 0n,
  );

/** The backup roots that are filled, as dump-tree -R lists them. */
export function backupRootLines(view: DataView): string[] {
  const template = new Template(
    RootBackup,
    `\ttree root gen {tree_root_gen} block {tree_root}
\t\textent root gen {extent_root_gen} block {extent_root}
\t\tchunk root gen {chunk_root_gen} block {chunk_root}
\t\tdevice root gen {dev_root_gen} block {dev_root}
\t\tcsum root gen {csum_root_gen} block {csum_root}
\t\tfs root gen {fs_root_gen} block {fs_root}
\t\t{bytes_used} used {total_bytes} total {num_devices} devices`,
  );
  return Array.from({ length: BACKUPS }, (_, i) => [
    `btrfs root backup slot ${i}`,
    ...template.lines(view, at.super_roots + i * RootBackup.size),
  ]).flat();
}

/** A superblock's 4096 bytes. */
export function showSuper(view: DataView, setting: SuperSetting): Shown {
  const flags = view.getBigUint64(at.flags, true);
  const compatRo = view.getBigUint64(at.compat_ro_flags, true);
  const lines = [
    ...csumLines(view, setting),
    `bytenr\t\t\t${view.getBigUint64(at.bytenr, true)}`,
    `flags\t\t\t0x${flags.toString(16)}`,
    ...flagLines(flags, SUPER_FLAGS),
    magicLine(view),
    ...head.lines(view, 0),
    ...flagLines(compatRo, Object.entries(CompatRo)),
    `incompat_flags\t\t0x${incompat(view).toString(16)}`,
    ...flagLines(incompat(view), Object.entries(Incompat)),
    ...tail.lines(view, 0),
  ];
  const data: Record<string, unknown> = {
    ...structData(SuperBlock, view, 0),
    csum: Buffer.from(view.buffer, view.byteOffset, setting.csum?.size ?? 32).toString('hex'),
    csum_matches: setting.csum?.matches ?? null,
    magic: magicLine(view).split('\t').at(-1)?.slice(0, 8),
    label: text(at.label, 256)(view, 0),
    flags: numberOrText(flags),
    dev_item: structData(DEV_ITEM, view, at.dev_item),
  };
  if (setting.full) {
    const system = systemChunks(view);
    lines.push(`sys_chunk_array[${SYSTEM_CHUNK_ARRAY_SIZE}]:`, ...system.lines, `backup_roots[${BACKUPS}]:`);
    for (const [i, place] of backupsOf(view)) lines.push(`\tbackup ${i}:`, ...backup.lines(view, place));
    data.sys_chunk_array = system.data;
    data.backup_roots = backupsOf(view).map(([, place]) => structData(RootBackup, view, place));
  }
  return { lines, data };
}
