/** quota: what users, groups and projects have and may have (the numbers of xfs_quota's report). */
import { says, WordFailure, word } from '../../../core/vfs/word.ts';
import { type DquotPlace, usedDquots } from '../quota/dquot.ts';
import { timerOf } from '../quota/limits.ts';
import { RESOURCES, type Resource } from '../quota/resources.ts';
import type { QuotaKind } from '../quota/types.ts';
import { Dquot } from '../structure/dquot.ts';
import { mountOf } from './mount-of.ts';

export const quota = word({
  name: 'quota',
  about: 'space and inodes of users, groups and projects, and their limits',
  help: 'Blocks are those of the file system. Only kinds of quota that the image counts are shown.',
  count: [0, 3],
  options: {
    u: { about: 'users' },
    g: { about: 'groups' },
    p: { about: 'projects' },
  },
  *run(context, { options: { u, g, p }, operands }) {
    if (operands.length > 0) throw context.usage();
    const mp = mountOf(context);
    const chosen: Readonly<Record<QuotaKind['name'], boolean>> = { user: u, group: g, project: p };
    const kinds = mp.quotas.filter(({ name }) => chosen[name] || !(u || g || p));
    if (kinds.length === 0) throw new WordFailure('quota: nothing is counted');
    for (const kind of kinds) for (const place of usedDquots(mp, kind)) yield answer(kind, place.id, place);
  },
});

function answer({ name, enforced }: QuotaKind, id: number, place: DquotPlace) {
  const of = (resource: Resource) => {
    const { count, soft, hard } = RESOURCES[resource];
    const get = (field: typeof count | typeof soft | typeof hard) => Dquot.get[field](place.buf.view, place.base);
    return { used: get(count), soft: get(soft), hard: get(hard), graceEnds: id === 0 ? 0 : timerOf(place, resource) };
  };
  const data = { kind: name, id, enforced, blocks: of('blocks'), inodes: of('inodes'), realtime: of('realtime') };
  const parts = (['blocks', 'inodes', 'realtime'] as const).map((resource) => {
    const { used, soft, hard, graceEnds } = data[resource];
    return `${resource} ${used} soft ${soft} hard ${hard}${graceEnds === 0 ? '' : ` grace ends ${graceEnds}`}`;
  });
  return says(data, [`${name} ${id}: ${parts.join(', ')}`]);
}
