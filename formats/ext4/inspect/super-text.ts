/** A superblock as e2fsprogs prints it, line by line. */
import { calendarTime } from '../../../core/calendar-time.ts';
import { uuid } from '../../../core/struct.ts';
import { decodeToNul } from '../../../core/vfs/names.ts';
import { Compat, featureNames, Incompat, RoCompat } from '../structure/features.ts';
import { GOOD_OLD_REV, Superblock } from '../structure/superblock.ts';
import {
  blockSizeOf,
  blocksCountOf,
  freeBlocksOf,
  inodeSizeOf,
  reservedBlocksOf,
  type SuperblockValues,
} from '../superblock.ts';

const REVISIONS = ['original', 'dynamic'];
const SYSTEMS = ['Linux', 'Hurd', 'Masix', 'FreeBSD', 'Lites'];
const HASHES = ['legacy', 'half_md4', 'tea'];
const ERRORS: Readonly<Record<number, string>> = { 1: 'Continue', 2: 'Remount read-only', 3: 'Panic' };
const MOUNT_OPTIONS: readonly (readonly [bit: number, name: string])[] = [
  [0x1, 'debug'],
  [0x2, 'bsdgroups'],
  [0x4, 'user_xattr'],
  [0x8, 'acl'],
  [0x10, 'uid16'],
  [0x100, 'nobarrier'],
  [0x200, 'block_validity'],
  [0x400, 'discard'],
  [0x800, 'nodelalloc'],
];
const JOURNAL_MODES = ['', 'journal_data', 'journal_data_ordered', 'journal_data_writeback'];
const FLAGS = ['signed_directory_hash', 'unsigned_directory_hash', 'test_filesystem'];
const ERRCODES = [
  ...['', 'UNKNOWN', 'EIO', 'ENOMEM', 'EFSBADCRC', 'EFSCORRUPTED', 'ENOSPC', 'ENOKEY', 'EROFS', 'EFBIG', 'EEXIST'],
  ...['ERANGE', 'EOVERFLOW', 'EBUSY', 'ENOTDIR', 'ENOTEMPTY', 'ESHUTDOWN', 'EFAULT'],
];

/** Each field as it is printed by itself. */
export function superFields(sb: SuperblockValues): Record<string, string> {
  const view = new DataView(new ArrayBuffer(Superblock.size));
  Superblock.encode(view, 0, sb);
  return Object.fromEntries(Superblock.fields.map(({ name, read }) => [name, read(view, 0)]));
}

/** The lines that dumpe2fs -h and debugfs's stats begin with. */
export function superLines(sb: SuperblockValues): string[] {
  return [
    ...identity(sb),
    ...geometry(sb),
    ...history(sb),
    ...owners(sb),
    ...places(sb),
    ...failures(sb),
    ...seals(sb),
  ];
}

function line(name: string, value: string | number): string {
  return `${`${name}:`.padEnd(25)} ${value}`;
}

/** A line where there is something to say. */
function lineIf(name: string, value: string | number, shown: unknown = value): string[] {
  return shown ? [line(name, value)] : [];
}

function identity(sb: SuperblockValues): string[] {
  const label = decodeToNul(sb.volume_name);
  const features = [
    ...featureNames(sb.feature_compat, Compat, 'C'),
    ...featureNames(sb.feature_incompat, Incompat, 'I'),
    ...featureNames(sb.feature_ro_compat, RoCompat, 'R'),
  ];
  const flags = FLAGS.filter((_, bit) => ((sb.flags >>> bit) & 1) === 1).map((flag) => `${flag} `);
  return [
    line('Filesystem volume name', label || '<none>'),
    line('Last mounted on', sb.last_mounted || '<not available>'),
    line('Filesystem UUID', uuid.format(sb.uuid)),
    line('Filesystem magic number', `0x${sb.magic.toString(16).toUpperCase().padStart(4, '0')}`),
    line('Filesystem revision #', `${sb.rev_level} (${REVISIONS[sb.rev_level] ?? 'unknown'})`),
    line('Filesystem features', wordsOf(features)),
    ...lineIf('Filesystem flags', flags.join('') || '(none)', sb.flags),
    line('Default mount options', wordsOf(mountOptions(sb.default_mount_opts))),
    ...lineIf('Mount options', sb.mount_opts),
    line('Filesystem state', stateText(sb.state)),
    line('Errors behavior', ERRORS[sb.errors] ?? 'Unknown (continue)'),
    line('Filesystem OS type', SYSTEMS[sb.creator_os] ?? '(unknown os)'),
  ];
}

const wordsOf = (names: readonly string[]): string => names.join(' ') || '(none)';

function mountOptions(mask: number): string[] {
  const mode = JOURNAL_MODES[(mask & 0x60) >> 5] as string;
  return [
    ...(mode === '' ? [] : [mode]),
    ...MOUNT_OPTIONS.filter(([bit]) => (mask & bit) !== 0).map(([, name]) => name),
  ];
}

function stateText(state: number): string {
  return `${(state & 1) === 0 ? 'not clean' : 'clean'}${(state & 2) === 0 ? '' : ' with errors'}`;
}

function geometry(sb: SuperblockValues): string[] {
  const bigalloc = (sb.feature_ro_compat & RoCompat.bigalloc) !== 0;
  const clusterSize = 1024 * 2 ** sb.log_cluster_size;
  const tableBlocks = Math.ceil((sb.inodes_per_group * inodeSizeOf(sb)) / blockSizeOf(sb));
  return [
    line('Inode count', sb.inodes_count),
    line('Block count', blocksCountOf(sb)),
    line('Reserved block count', reservedBlocksOf(sb)),
    ...lineIf('Overhead clusters', sb.overhead_clusters),
    line('Free blocks', freeBlocksOf(sb)),
    line('Free inodes', sb.free_inodes_count),
    line('First block', sb.first_data_block),
    line('Block size', blockSizeOf(sb)),
    line(bigalloc ? 'Cluster size' : 'Fragment size', clusterSize),
    ...lineIf('Group descriptor size', sb.desc_size, (sb.feature_incompat & Incompat['64bit']) !== 0),
    ...lineIf('Reserved GDT blocks', sb.reserved_gdt_blocks),
    line('Blocks per group', sb.blocks_per_group),
    line(bigalloc ? 'Clusters per group' : 'Fragments per group', sb.clusters_per_group),
    line('Inodes per group', sb.inodes_per_group),
    line('Inode blocks per group', tableBlocks),
    ...lineIf('RAID stride', sb.raid_stride),
    ...lineIf('RAID stripe width', sb.raid_stripe_width),
    ...lineIf('First meta block group', sb.first_meta_bg),
    ...lineIf('Flex block group size', 2 ** sb.log_groups_per_flex, sb.log_groups_per_flex),
  ];
}

/** A point in time, whose upper bits lie elsewhere. */
function moment(low: number, high: number): string {
  return calendarTime({ seconds: high * 2 ** 32 + low });
}

function history(sb: SuperblockValues): string[] {
  const limit = sb.max_mnt_count >= 0x8000 ? sb.max_mnt_count - 0x10000 : sb.max_mnt_count;
  const check = sb.lastcheck_hi * 2 ** 32 + sb.lastcheck;
  return [
    ...lineIf('Filesystem created', moment(sb.mkfs_time, sb.mkfs_time_hi), sb.mkfs_time + sb.mkfs_time_hi),
    line('Last mount time', sb.mtime + sb.mtime_hi > 0 ? moment(sb.mtime, sb.mtime_hi) : 'n/a'),
    line('Last write time', moment(sb.wtime, sb.wtime_hi)),
    line('Mount count', sb.mnt_count),
    line('Maximum mount count', limit),
    line('Last checked', moment(sb.lastcheck, sb.lastcheck_hi)),
    line('Check interval', `${sb.checkinterval} (${intervalText(sb.checkinterval)})`),
    ...lineIf('Next check after', calendarTime({ seconds: check + sb.checkinterval }), sb.checkinterval),
    ...lineIf('Lifetime writes', writtenText(sb.kbytes_written), sb.kbytes_written),
  ];
}

const MONTH = 86400 * 30;
const UNITS = [
  [MONTH, 'month'],
  [86400 * 7, 'week'],
  [86400, 'day'],
] as const;

function intervalText(seconds: number): string {
  if (seconds === 0) return '<none>';
  const parts: string[] = [];
  let rest = seconds;
  for (const [unit, name] of UNITS) {
    const count = Math.floor(rest / unit);
    if (count === 0) continue;
    parts.push(`${count} ${name}${count > 1 ? 's' : ''}`);
    rest -= count * unit;
  }
  const two = (value: number): string => String(value).padStart(2, '0');
  if (rest > 0) parts.push(`${Math.floor(rest / 3600)}:${two(Math.floor(rest / 60) % 60)}:${two(rest % 60)}`);
  return parts.join(', ');
}

/** Kibibytes, in the largest unit of which there are eight. */
function writtenText(kib: number): string {
  const units = ['kB', 'MB', 'GB', 'TB', 'PB'];
  let index = 0;
  while (index < units.length - 1 && kib >= 2 ** (13 + 10 * index)) index++;
  const unit = 2 ** (10 * index);
  return `${Math.floor((kib + (index === 0 ? 0 : unit / 2)) / unit)} ${units[index]}`;
}

/** The image's users are not those of the host: only the super-user is the same everywhere. */
function owners(sb: SuperblockValues): string[] {
  const named = (id: number, kind: string): string => `${id} (${kind} ${id === 0 ? 'root' : 'unknown'})`;
  const first =
    sb.rev_level === GOOD_OLD_REV ? [] : [line('First inode', sb.first_ino), line('Inode size', sb.inode_size)];
  return [
    line('Reserved blocks uid', named(sb.def_resuid, 'user')),
    line('Reserved blocks gid', named(sb.def_resgid, 'group')),
    ...first,
    ...lineIf('Required extra isize', sb.min_extra_isize, sb.rev_level !== GOOD_OLD_REV && sb.min_extra_isize),
    ...lineIf('Desired extra isize', sb.want_extra_isize, sb.rev_level !== GOOD_OLD_REV && sb.want_extra_isize),
  ];
}

function places(sb: SuperblockValues): string[] {
  const indexed = (sb.feature_compat & Compat.dir_index) !== 0;
  const backups = sb.backup_bgs.filter((group) => group !== 0).map((group) => `${group} `);
  const seed = Buffer.alloc(16);
  for (const [i, part] of sb.hash_seed.entries()) seed.writeUInt32LE(part, 4 * i);
  return [
    ...lineIf('Journal UUID', uuid.format(sb.journal_uuid), hasBits(sb.journal_uuid)),
    ...lineIf('Journal inode', sb.journal_inum),
    ...lineIf('Journal device', `0x${hex(sb.journal_dev, 4)}`, sb.journal_dev),
    ...lineIf('First orphan inode', sb.last_orphan),
    ...lineIf('Default directory hash', hashName(sb.def_hash_version), indexed || sb.def_hash_version),
    ...lineIf('Directory Hash Seed', uuid.format(seed), hasBits(seed)),
    ...lineIf(
      'Journal backup',
      sb.jnl_backup_type === 1 ? 'inode blocks' : `type ${sb.jnl_backup_type}`,
      sb.jnl_backup_type,
    ),
    ...lineIf('Backup block groups', backups.join(''), backups.length),
    ...lineIf('Snapshot inode', sb.snapshot_inum),
    ...lineIf('Snapshot ID', sb.snapshot_id, sb.snapshot_inum),
    ...lineIf('Snapshot reserved blocks', sb.snapshot_r_blocks_count, sb.snapshot_inum),
    ...lineIf('Snapshot list head', sb.snapshot_list),
  ];
}

const hashName = (version: number): string => HASHES[version] ?? `HASHALG_${version}`;
const hasBits = (bytes: Uint8Array): boolean => bytes.some((byte) => byte !== 0);
const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0');

function failures(sb: SuperblockValues): string[] {
  const told = (which: 'first' | 'last'): string[] => {
    const name = which === 'first' ? 'First' : 'Last';
    if (sb[`${which}_error_time`] + sb[`${which}_error_time_hi`] === 0) return [];
    const code = sb[`${which}_error_errcode`];
    return [
      line(`${name} error time`, moment(sb[`${which}_error_time`], sb[`${which}_error_time_hi`])),
      line(`${name} error function`, sb[`${which}_error_func`]),
      line(`${name} error line #`, sb[`${which}_error_line`]),
      ...lineIf(`${name} error inode #`, sb[`${which}_error_ino`]),
      ...lineIf(`${name} error block #`, sb[`${which}_error_block`]),
      ...lineIf(`${name} error err`, ERRCODES[code] ?? `UNKNOWN_ERRCODE_${code}`, code),
    ];
  };
  return [...lineIf('FS Error count', sb.error_count), ...told('first'), ...told('last')];
}

function seals(sb: SuperblockValues): string[] {
  const has = (bit: number): boolean => (sb.feature_incompat & bit) !== 0;
  const sealed = (sb.feature_ro_compat & RoCompat.metadata_csum) !== 0;
  return [
    ...lineIf('MMP block number', sb.mmp_block, has(Incompat.mmp)),
    ...lineIf('MMP update interval', sb.mmp_update_interval, has(Incompat.mmp)),
    ...lineIf('User quota inode', sb.usr_quota_inum),
    ...lineIf('Group quota inode', sb.grp_quota_inum),
    ...lineIf('Project quota inode', sb.prj_quota_inum),
    ...lineIf('Checksum type', sb.checksum_type === 1 ? 'crc32c' : 'unknown', sealed),
    ...lineIf('Checksum', `0x${hex(sb.checksum, 8)}`, sealed),
    ...lineIf('Encryption PW Salt', uuid.format(sb.encrypt_pw_salt), hasBits(sb.encrypt_pw_salt)),
    ...lineIf('Checksum seed', `0x${hex(sb.checksum_seed, 8)}`, has(Incompat.metadata_csum_seed)),
    ...lineIf(
      'Character encoding',
      sb.encoding === 1 ? 'utf8-12.1' : `UNKNOWN_ENCODING_${sb.encoding}`,
      has(Incompat.casefold),
    ),
    ...lineIf('Orphan file inode', sb.orphan_file_inum, (sb.feature_compat & Compat.orphan_file) !== 0),
  ];
}
