// time limit: 200 s
/**
 * Sessions of random lines through xfs_io on a mounted copy and fsio on an unmounted one: the answers of each line, the
 * exit status, and in the end what is left of the files. FSIO_LONG makes a campaign of it.
 */
import { rmSync } from 'node:fs';
import * as assert from 'uvu/assert';
import { missingBtrfsJudges } from '../harness/btrfs-judge.ts';
import { missingFsio } from '../harness/fsio.ts';
import { missingJudges, must } from '../harness/kernel.ts';
import { announceSeed, Random, rounds } from '../harness/random.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';
import { VARIANTS } from '../harness/variants.ts';
import { preparedBtrfs, preparedXfs } from './io-compare.ts';
import { compareSession, randomSession } from './io-session.ts';

const test = gatedSuite('random words', missingJudges() ?? missingBtrfsJudges() ?? missingFsio());
const seed = announceSeed('io-random');
const SESSIONS = rounds(16);
const LINES = 14;

const FORMATS = [preparedXfs(VARIANTS[0] as (typeof VARIANTS)[number]), preparedBtrfs({ name: 'default', args: [] })];
for (const format of FORMATS)
  test(`${SESSIONS} sessions on ${format.type}`, () => {
    format.mounted(format.base(), (at) =>
      must('sh', '-ec', `cd ${at}; ln -s small link; ln -s none dangling; ln -s loop loop; sync`),
    );
    const dir = scratch(true);
    const failed: string[] = [];
    for (let round = 0; round < SESSIONS; round++) {
      const session = randomSession(new Random(seed + round * 7919), LINES);
      const difference = compareSession(format, session, dir, round % 4 === 0);
      if (difference === null) continue;
      const { flags, files, script, places, lines } = session;
      const how = `${flags.join(' ')} ${files.join(' ')} ${script ? 'script' : '-c'} ${places ? '--at' : ''}`;
      failed.push(`round ${round}: ${how}\n${lines.join('\n')}\n${difference}`);
    }
    assert.is(failed.length, 0, failed.join('\n\n'));
    rmSync(dir, { recursive: true, force: true });
  });

test.run();
