// time limit: 280 s
/**
 * Random writes, preallocation, holes, reflinks and deduplication on three files of a btrfs, by xfs_io in the kernel
 * and by fsio on an unmounted copy: the same output, bytes, sizes, blocks and shapes; Linux mounts what fsio left, and
 * `btrfs check --check-data-csum` has nothing to say. With FSIO_REDUCE set, a script that differs is made shorter first.
 */
import { missingBtrfsJudges } from '../harness/btrfs-judge.ts';
import { USED_VARIANTS, type UsedVariant } from '../harness/btrfs-variants.ts';
import { missingFsio } from '../harness/fsio.ts';
import { announceSeed, Random, rounds, sample } from '../harness/random.ts';
import { randomScript } from '../harness/random-script.ts';
import { gatedSuite } from '../harness/suite.ts';
import { btrfsJudges } from './btrfs-judges.ts';
import { reduce, type Session, sideBySide } from './side-by-side.ts';

const test = gatedSuite('random operations on btrfs against the kernel', missingBtrfsJudges() ?? missingFsio());
const seed = announceSeed('btrfs-random');
const SESSIONS = 3;
const SECTOR = 4096;

function randomSessions(variant: UsedVariant, random: Random): Session[] {
  const span = random.pick([16 * 1024, 64 * 1024, 600 * 1024, 3 * 1024 * 1024]);
  return Array.from({ length: SESSIONS }, () =>
    randomScript({
      random,
      blockSize: SECTOR,
      reflink: true,
      space: true,
      stat: true,
      noise: variant.noise,
      // Without no-holes Linux 6.18 forgets the new size of a file that grew into what was allocated before a remount.
      ...(variant.args.some((word) => word.includes('^no-holes')) ? { beyondEnd: false as const } : {}),
      operations: random.between(5, 60),
      span,
    }),
  );
}

function judge(variant: UsedVariant, random: Random): void {
  const judges = btrfsJudges(variant);
  let sessions = randomSessions(variant, random);
  let fault = sideBySide(judges, sessions);
  if (fault === null) return;
  if (process.env.FSIO_REDUCE) ({ sessions, fault } = reduce(judges, sessions));
  const story = sessions.map((lines) => lines.join('\n')).join('\n--\n');
  throw new Error(`seed ${seed}, ${variant.name} (mkfs.btrfs ${variant.args.join(' ')}):\n${story}\n${fault}`);
}

/** All kinds in a campaign; else the first four, and the others by turns. */
const MAIN = 4;
const chosen = [...USED_VARIANTS.slice(0, MAIN), ...sample(USED_VARIANTS.slice(MAIN), 5, seed)];

for (const variant of chosen) {
  const index = USED_VARIANTS.indexOf(variant);
  for (let round = 0; round < rounds(index < MAIN ? 2 : 1); round++) {
    test(`${variant.name}, round ${round + 1}`, () => judge(variant, new Random(seed + index * 1000 + round)));
  }
}

test.run();
