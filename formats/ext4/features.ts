/** What the features of an image allow, and which of ext2, ext3 and ext4 they make it. */
import { FsError } from '../../core/errors.ts';
import { Compat, featureNames, Incompat, knownBits, RoCompat, UNREADABLE, UNWRITABLE } from './structure/features.ts';
import { DYNAMIC_REV } from './structure/superblock.ts';
import type { SuperblockValues } from './superblock.ts';

/**
 * True if the image can be read only; why is put into `notes`.
 * @throws FsError EINVAL for features that nobody here can read, by name
 */
export function judgeFeatures(sb: SuperblockValues, notes: string[]): boolean {
  if (sb.rev_level > DYNAMIC_REV)
    throw new FsError('EINVAL', { detail: `revision ${sb.rev_level} of the format is not known` });
  const refused = (sb.feature_incompat & (~knownBits(Incompat) | UNREADABLE)) >>> 0;
  if (refused !== 0) {
    const names = featureNames(refused, Incompat, 'I').join(', ');
    const what = (sb.feature_incompat & Incompat.journal_dev) !== 0 ? 'this is an external journal' : 'unsupported';
    throw new FsError('EINVAL', { detail: `${what}: incompatible features: ${names}` });
  }
  if ((sb.feature_ro_compat & RoCompat.bigalloc) !== 0 && (sb.feature_incompat & Incompat.extent) === 0)
    throw new FsError('EINVAL', { detail: 'bigalloc without extent' });
  const unwritable = (sb.feature_ro_compat & (~knownBits(RoCompat) | UNWRITABLE)) >>> 0;
  if (unwritable !== 0)
    notes.push(
      `read only: unknown read-only-compatible features: ${featureNames(unwritable, RoCompat, 'R').join(', ')}`,
    );
  if ((sb.feature_ro_compat & RoCompat['read-only']) !== 0) notes.push('read only: the superblock says so');
  return notes.length > 0;
}

const EXT3_INCOMPAT = Incompat.filetype | Incompat.needs_recovery | Incompat.meta_bg;
const EXT3_RO_COMPAT = RoCompat.sparse_super | RoCompat.large_file | RoCompat.btree_dir;

/** The name by which mount knows the image, as blkid tells it. */
export function typeName(sb: SuperblockValues): 'ext2' | 'ext3' | 'ext4' {
  const more = (sb.feature_incompat & ~EXT3_INCOMPAT) | (sb.feature_ro_compat & ~EXT3_RO_COMPAT);
  if (more !== 0) return 'ext4';
  return (sb.feature_compat & Compat.has_journal) !== 0 ? 'ext3' : 'ext2';
}
