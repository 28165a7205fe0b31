/** rgs and unlinked: the resource groups, and inodes without a name, whose blocks wait to be freed. */
import { says, word } from '../../../core/vfs/word.ts';
import { stateRuns } from '../inspect/space-map.ts';
import { BlockState, Rgrp } from '../structure/rgrp.ts';
import { mountOf } from './mount-of.ts';

export const rgs = word({
  name: 'rgs',
  count: [0, 0],
  about: 'the resource groups: what their headers say, and what their bitmaps have',
  run(context) {
    const mp = mountOf(context);
    const groups = mp.rgrps.all.map((group) => {
      const { view } = mp.rgrps.header(group);
      const counted = [0, 0, 0, 0];
      let at = group.data0;
      for (const [state, end] of stateRuns(mp, group)) {
        counted[state] = (counted[state] as number) + end - at;
        at = end;
      }
      const [free = 0, used = 0, unlinked = 0, dinodes = 0] = counted;
      return {
        rg: group.index,
        block: group.addr,
        length: group.length,
        data0: group.data0,
        data: group.data,
        headerFree: Rgrp.get.rg_free(view, 0),
        headerDinodes: Rgrp.get.rg_dinodes(view, 0),
        flags: Rgrp.get.rg_flags(view, 0),
        free,
        used,
        unlinked,
        dinodes,
      };
    });
    const columns = ['RG', 'BLOCK', 'LENGTH', 'DATA0', 'DATA', 'FREE', 'USED', 'UNLINKED', 'DINODES'];
    const rows = groups.map((g) => [g.rg, g.block, g.length, g.data0, g.data, g.free, g.used, g.unlinked, g.dinodes]);
    const lines = [columns, ...rows].map((row) => row.map((cell) => String(cell).padStart(10)).join(''));
    for (const { rg, headerFree, headerDinodes, free, dinodes, unlinked } of groups)
      if (headerFree !== free || headerDinodes !== dinodes + unlinked)
        lines.push(`rg ${rg}: its header says ${headerFree} free and ${headerDinodes} dinodes`);
    return says({ groups }, lines);
  },
});

export const unlinked = word({
  name: 'unlinked',
  count: [0, 0],
  about: 'inodes that lost their last name and still have their blocks',
  run(context) {
    const mp = mountOf(context);
    const inodes: { ino: number; size: number | bigint; blocks: number }[] = [];
    for (const group of mp.rgrps.all) {
      let at = group.data0;
      for (const [state, end] of stateRuns(mp, group)) {
        for (let ino = at; state === BlockState.UNLINKED && ino < end; ino++) {
          const { size, blocks } = mp.iget(ino).stat();
          inodes.push({ ino, size, blocks });
        }
        at = end;
      }
    }
    return says(
      { inodes },
      inodes.map(({ ino, size, blocks }) => `inode ${ino}: ${size} bytes, ${blocks} sectors`),
    );
  },
});
