/** Reading and judging the superblock (kernel: gfs2_check_sb, gfs2_read_super). */
import type { Device } from '../../core/device/device.ts';
import { corrupt, FsError } from '../../core/errors.ts';
import type { Decoded } from '../../core/struct.ts';
import { GFS2_MAGIC, MetaType } from './structure/meta.ts';
import { SUPER_ADDR, Superblock } from './structure/superblock.ts';

export type SuperblockValues = Decoded<typeof Superblock>;

const SECTOR = 512;
const FORMAT_MIN = 1801;
/** Since this one the space of groups is told through locks, and attributes may be of the kind `trusted`. */
export const FORMAT_1802 = 1802;
const FORMAT_GFS1 = 1309;
const MULTIHOST = 1900;
const MIN_BLOCK = 512;
const MAX_BLOCK = 65536;

/** The superblock. @throws FsError EINVAL another format or version, EUCLEAN damaged, EIO */
export function readSuperblock(device: Device): SuperblockValues {
  const bytes = new Uint8Array(SECTOR);
  device.read(SUPER_ADDR, bytes);
  const sb = Superblock.decode(new DataView(bytes.buffer), 0);
  if (sb.mh_magic !== GFS2_MAGIC || sb.mh_type !== MetaType.SB)
    throw new FsError('EINVAL', { detail: `no superblock of gfs2 on ${device.name}` });
  checkFormat(sb);
  const bad = (field: keyof typeof Superblock.at, rule: string): FsError =>
    corrupt({
      structure: 'superblock',
      addr: SUPER_ADDR,
      offset: Superblock.at[field],
      field,
      value: String(sb[field]),
      rule,
    });
  const { sb_bsize: size, sb_bsize_shift: shift } = sb;
  if (size < MIN_BLOCK || size > MAX_BLOCK || (size & (size - 1)) !== 0) throw bad('sb_bsize', 'no size of blocks');
  if (shift > 16 || 1 << shift !== size) throw bad('sb_bsize_shift', `does not fit blocks of ${size} bytes`);
  const blocks = Math.floor(device.size / size);
  for (const field of ['master_addr', 'root_addr'] as const)
    if (!(sb[field] > SUPER_ADDR / size && sb[field] < blocks)) throw bad(field, 'outside the device');
  return sb;
}

/** @throws FsError EINVAL for a version that is not known here */
function checkFormat(sb: SuperblockValues): void {
  const { sb_fs_format: format, sb_multihost_format: multihost } = sb;
  if (format >= FORMAT_MIN && format <= FORMAT_1802 && multihost === MULTIHOST) return;
  const detail =
    format === FORMAT_GFS1
      ? 'gfs1, the forerunner of gfs2, is not read'
      : `unknown version of gfs2: format ${format}, multihost format ${multihost}`;
  throw new FsError('EINVAL', { detail });
}
