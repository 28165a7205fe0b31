// time limit: 500 s
/** Every word and option of xfs_io that means something on an image, also wrongly used, against xfs_io on a mount. */
import { missingBtrfsJudges } from '../harness/btrfs-judge.ts';
import { missingFsio } from '../harness/fsio.ts';
import { missingJudges } from '../harness/kernel.ts';
import { announceSeed, sample } from '../harness/random.ts';
import { gatedSuite } from '../harness/suite.ts';
import { VARIANTS } from '../harness/variants.ts';
import { DATA } from './io-cases-data.ts';
import { EDGES } from './io-cases-edges.ts';
import { FILE } from './io-cases-files.ts';
import { MAPPING } from './io-cases-maps.ts';
import { ODD } from './io-cases-odd.ts';
import { ORDERS } from './io-cases-order.ts';
import { ROOMS } from './io-cases-space.ts';
import { compare, preparedBtrfs, preparedXfs } from './io-compare.ts';

const test = gatedSuite("xfs_io's words", missingJudges() ?? missingBtrfsJudges() ?? missingFsio());

const FORMATS = [preparedXfs(VARIANTS[0] as (typeof VARIANTS)[number]), preparedBtrfs({ name: 'default', args: [] })];
const only = process.env.FSIO_WORDS;
const seed = announceSeed('io-words');
for (const format of FORMATS) {
  for (const [group, cases] of Object.entries({
    ...DATA,
    ...FILE,
    ...EDGES,
    ...MAPPING,
    ...ROOMS,
    ...ODD,
    ...ORDERS,
  })) {
    if (only && only !== group) continue;
    // The words are the same code on both: a day tries a part of them on each, which the seed chooses.
    const part = Math.ceil(cases.length * (format.type === 'xfs' ? 0.4 : 0.25));
    for (const one of sample<(typeof cases)[number]>(cases, part, format.type === 'xfs' ? seed : seed + 1)) {
      if (one.only !== undefined && one.only !== format.type) continue;
      const flags = one.flags?.join(' ') ?? '';
      test(`${format.type}: ${flags} ${one.commands.join('; ')} on ${one.path}`, () => compare(format, one));
    }
  }
}

test.run();
