/**
 * Limits of a quota record: what may still be taken, and since when a soft limit is passed. A record without limits
 * has those of id 0; id 0 itself is never refused anything.
 *
 * Mirrors: fs/xfs/xfs_dquot.c (xfs_qm_adjust_dqlimits, xfs_qm_adjust_dqtimers), xfs_trans_dquot.c (xfs_dqresv_check).
 */
import { FsError } from '../../../core/errors.ts';
import type { XfsMount } from '../mount.ts';
import { DQTYPE_BIGTIME, Dquot } from '../structure/dquot.ts';
import { type DquotPlace, findDquot } from './dquot.ts';
import { RESOURCES, type Resource } from './resources.ts';
import { DquotType, type QuotaKind } from './types.ts';

const WEEK = 7 * 24 * 60 * 60;
const BIGTIME_SHIFT = 2;

/** When the grace of a resource ends, in seconds since 1970; 0 while its soft limit is not passed. */
export function timerOf({ buf, base }: DquotPlace, resource: Resource): number {
  const value = Dquot.get[RESOURCES[resource].timer](buf.view, base);
  const big = (Dquot.get.type(buf.view, base) & DQTYPE_BIGTIME) !== 0;
  return big && value !== 0 ? value * 2 ** BIGTIME_SHIFT : value;
}

function setTimer({ buf, base }: DquotPlace, resource: Resource, seconds: number): void {
  const big = (Dquot.get.type(buf.view, base) & DQTYPE_BIGTIME) !== 0;
  const value = big ? Math.ceil(seconds / 2 ** BIGTIME_SHIFT) : seconds;
  Dquot.set[RESOURCES[resource].timer](buf.view, base, Math.min(value, 0xffffffff));
}

/** Times of a record are kept so that they reach beyond 2106, where the image may have that. */
export function upgradeTimers(mp: XfsMount, place: DquotPlace): void {
  const { buf, base } = place;
  const type = Dquot.get.type(buf.view, base);
  if (!mp.features.bigtime || (type & DQTYPE_BIGTIME) !== 0 || Dquot.get.id(buf.view, base) === 0) return;
  const names = Object.keys(RESOURCES) as Resource[];
  const times = names.map((name) => timerOf(place, name));
  Dquot.set.type(buf.view, base, type | DQTYPE_BIGTIME);
  for (const [i, name] of names.entries()) setTimer(place, name, times[i] as number);
}

/** Takes over the limits of id 0 where a record has none, and starts or ends its times of grace. */
export function adjustRecord(mp: XfsMount, kind: QuotaKind, place: DquotPlace): void {
  const { buf, base } = place;
  if (Dquot.get.id(buf.view, base) === 0) return;
  const root = findDquot(mp, kind, 0);
  for (const resource of Object.keys(RESOURCES) as Resource[]) {
    const { count, hard, soft, timer, warns } = RESOURCES[resource];
    for (const field of [hard, soft]) {
      if (Dquot.get[field](buf.view, base) !== 0 || root === null) continue;
      const value = Dquot.get[field](root.buf.view, root.base);
      if (value !== 0) Dquot.set[field](buf.view, base, value);
    }
    const used = Dquot.get[count](buf.view, base);
    const over = [hard, soft].some((field) => {
      const limit = Dquot.get[field](buf.view, base);
      return limit !== 0 && used > limit;
    });
    if (over && timerOf(place, resource) === 0) {
      const grace = (root === null ? 0 : Dquot.get[timer](root.buf.view, root.base)) || WEEK;
      setTimer(place, resource, Number(mp.options.now().seconds) + grace);
    } else if (!over) {
      if (timerOf(place, resource) === 0) Dquot.set[warns](buf.view, base, 0);
      else setTimer(place, resource, 0);
    }
  }
}

/** The limits of a record, 0 for none; where it has none those of id 0 hold. */
export function limitsOf(
  mp: XfsMount,
  kind: QuotaKind,
  place: DquotPlace | null,
  resource: Resource,
): { readonly most: number; readonly wished: number } {
  const { hard, soft } = RESOURCES[resource];
  const root = findDquot(mp, kind, 0);
  const limit = (field: typeof hard | typeof soft): number => {
    const own = place === null ? 0 : Dquot.get[field](place.buf.view, place.base);
    return own || (root === null ? 0 : Dquot.get[field](root.buf.view, root.base));
  };
  return { most: limit(hard), wished: limit(soft) };
}

/** `more` of a resource would make `total`. @throws FsError EDQUOT (of a project ENOSPC) if a limit forbids that */
export function checkLimit(
  mp: XfsMount,
  kind: QuotaKind,
  place: DquotPlace | null,
  resource: Resource,
  total: number,
): void {
  if (!kind.enforced) return;
  const { most, wished } = limitsOf(mp, kind, place, resource);
  const timer = place === null ? 0 : timerOf(place, resource);
  const late = wished !== 0 && total > wished && timer !== 0 && Number(mp.options.now().seconds) > timer;
  if ((most === 0 || total <= most) && !late) return;
  throw new FsError(kind.type === DquotType.PROJECT ? 'ENOSPC' : 'EDQUOT', { detail: `${kind.name} quota` });
}
