/** Which kinds of quota an image counts, and where their files are. */
import { QuotaFlag } from '../structure/sb.ts';
import type { Features, SuperblockValues } from '../superblock.ts';

/** Values of `type` in a quota record. */
export const DquotType = { USER: 1, PROJECT: 2, GROUP: 4 } as const;

export interface QuotaKind {
  readonly name: 'user' | 'group' | 'project';
  readonly type: number;
  /** The inode with the records. */
  readonly ino: number;
  /** Limits are enforced. */
  readonly enforced: boolean;
  /** The bit of qflags that says that the records are right. */
  readonly checked: number;
}

/**
 * The kinds whose records are right and are kept so; Linux counts all others when it mounts with quotas. Version 4 has
 * one inode, and one set of bits, for groups or projects.
 */
export function countedQuotas(sb: SuperblockValues, { v5, quota }: Features): QuotaKind[] {
  if (!quota || sb.qflags === 0) return [];
  const has = (bit: number) => (sb.qflags & bit) !== 0;
  const other = v5 ? null : { enforced: QuotaFlag.OQUOTA_ENFD, checked: QuotaFlag.OQUOTA_CHKD };
  const all = [
    ['user', DquotType.USER, QuotaFlag.UQUOTA_ACCT, sb.uquotino, QuotaFlag.UQUOTA_ENFD, QuotaFlag.UQUOTA_CHKD],
    [
      'group',
      DquotType.GROUP,
      QuotaFlag.GQUOTA_ACCT,
      sb.gquotino,
      other?.enforced ?? QuotaFlag.GQUOTA_ENFD,
      other?.checked ?? QuotaFlag.GQUOTA_CHKD,
    ],
    [
      'project',
      DquotType.PROJECT,
      QuotaFlag.PQUOTA_ACCT,
      v5 ? sb.pquotino : sb.gquotino,
      other?.enforced ?? QuotaFlag.PQUOTA_ENFD,
      other?.checked ?? QuotaFlag.PQUOTA_CHKD,
    ],
  ] as const;
  return all.flatMap(([name, type, accounted, ino, enforced, checked]) => {
    if (!has(accounted) || !has(checked) || ino === null || ino === 0) return [];
    return [{ name, type, ino, enforced: has(enforced), checked }];
  });
}
