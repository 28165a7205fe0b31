/** stats: the superblock and the groups, as debugfs prints them. */
import { says, word } from '../../../core/vfs/word.ts';
import { groupsTold } from '../inspect/group-text.ts';
import { superFields, superLines } from '../inspect/super-text.ts';
import { mountOf } from './mount-of.ts';

export const stats = word({
  name: 'stats',
  alias: 'show_super_stats',
  about: 'the superblock and the block groups',
  count: [0, 1],
  options: { h: { about: 'only the superblock' } },
  run(context, { options, operands }) {
    if (operands.length > 0) throw context.usage();
    const mp = mountOf(context);
    const { lines, groups } = groupsTold(mp);
    const directories = groups.reduce((sum, group) => sum + group.usedDirectories, 0);
    const head = [...superLines(mp.sb), `Directories:              ${directories}`];
    const told = { superblock: superFields(mp.sb), directories, groups: options.h ? groups.slice(0, 0) : groups };
    return says(told, options.h ? head : [...head, ...lines]);
  },
});
