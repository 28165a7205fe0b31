// time limit: 240 s
/**
 * Random writes, reflinks, truncates and syncs on three files, by xfs_io in the kernel and by fsio on an unmounted
 * copy: the same output, bytes and sizes; then Linux mounts fsio's image and xfs_repair has nothing to say. With
 * FSIO_REDUCE set, a script that differs is made shorter first.
 */
import { missingFsio } from '../harness/fsio.ts';
import { missingJudges } from '../harness/kernel.ts';
import { announceSeed, Random, rounds } from '../harness/random.ts';
import { randomScript } from '../harness/random-script.ts';
import { gatedSuite } from '../harness/suite.ts';
import { hasReflink, VARIANTS, type Variant } from '../harness/variants.ts';
import { reduce, type Session, sideBySide, xfsJudges } from './side-by-side.ts';

const test = gatedSuite('random operations against the kernel', missingJudges() ?? missingFsio());
const seed = announceSeed('random-ops');
const SESSIONS = 3;

function blockSizeOf(variant: Variant): number {
  return Number(/-b size=(\d+)/.exec(variant.args.join(' '))?.[1] ?? 4096);
}

function randomSessions(variant: Variant, random: Random): Session[] {
  return Array.from({ length: SESSIONS }, () =>
    randomScript({
      random,
      blockSize: blockSizeOf(variant),
      reflink: hasReflink(variant),
      operations: random.between(5, 60),
      space: true,
      span: random.pick([64 * 1024, 600 * 1024, 3 * 1024 * 1024]),
    }),
  );
}

function judge(variant: Variant, random: Random): void {
  let sessions = randomSessions(variant, random);
  const judges = xfsJudges(variant);
  let fault = sideBySide(judges, sessions);
  if (fault === null) return;
  if (process.env.FSIO_REDUCE) ({ sessions, fault } = reduce(judges, sessions));
  const story = sessions.map((lines) => lines.join('\n')).join('\n--\n');
  throw new Error(`seed ${seed}, ${variant.name} (mkfs.xfs ${variant.args.join(' ')}):\n${story}\n${fault}`);
}

for (const [index, variant] of VARIANTS.entries()) {
  for (let round = 0; round < rounds(index < 3 ? 3 : 1); round++) {
    test(`${variant.name}, round ${round + 1}`, () => judge(variant, new Random(seed + index * 1000 + round)));
  }
}

test.run();
