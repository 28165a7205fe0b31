// time limit: 240 s
/**
 * Random writes, reflinks, truncates and syncs on three files, by xfs_io in the kernel and by fsio on an unmounted
 * copy: the same output, bytes and sizes; then Linux mounts fsio's image and xfs_repair has nothing to say.
 */
import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { comparable, firstDifference } from '../harness/compare-output.ts';
import { fsio, missingFsio } from '../harness/fsio.ts';
import { copyImage, makeXfs, missingJudges, repairComplaints, withMount, xfsIo } from '../harness/kernel.ts';
import { announceSeed, Random, rounds } from '../harness/random.ts';
import { FILES, randomScript } from '../harness/random-script.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';
import { hasReflink, VARIANTS, type Variant } from '../harness/variants.ts';

const test = gatedSuite('random operations against the kernel', missingJudges() ?? missingFsio());
const seed = announceSeed('random-ops');
const SESSIONS = 3;

function blockSizeOf(variant: Variant): number {
  return Number(/-b size=(\d+)/.exec(variant.args.join(' '))?.[1] ?? 4096);
}

/** Size and hash of each file, as Linux reads it. */
function contents(dir: string): string[] {
  return FILES.map((file) => {
    const path = join(dir, file);
    const size = statSync(path, { throwIfNoEntry: false })?.size;
    if (size === undefined) return `${file}: missing`;
    return `${file}: ${size} bytes, sha256 ${createHash('sha256').update(readFileSync(path)).digest('hex')}`;
  });
}

function compareOne(variant: Variant, random: Random): void {
  const dir = scratch(true);
  const theirs = makeXfs(join(dir, 'kernel.img'), variant);
  const ours = copyImage(theirs, join(dir, 'fsio.img'));
  const scripts = Array.from({ length: SESSIONS }, () =>
    randomScript({
      random,
      blockSize: blockSizeOf(variant),
      reflink: hasReflink(variant),
      operations: random.between(5, 60),
      span: random.pick([64 * 1024, 600 * 1024, 3 * 1024 * 1024]),
    }),
  );
  const story = () =>
    `seed ${random.seed}, ${variant.name}:\n${scripts.map((lines) => lines.join('\n')).join('\n--\n')}\n`;
  for (const [number, lines] of scripts.entries()) {
    const script = `${lines.join('\n')}\n`;
    const wanted = withMount(theirs, (mount) => {
      const outcome = xfsIo(script.replaceAll('{d}', mount));
      return { out: comparable(outcome.stdout, mount), err: comparable(outcome.stderr, mount) };
    });
    const got = fsio([ours], script.replaceAll('{d}', ''));
    const difference =
      firstDifference(comparable(got.stdout), wanted.out) ?? firstDifference(comparable(got.stderr), wanted.err);
    assert.is(difference, null, `${story()}session ${number + 1}: output differs at ${difference}`);
    assert.equal(repairComplaints(ours), [], `${story()}session ${number + 1}: xfs_repair`);
  }
  assert.equal(withMount(ours, contents), withMount(theirs, contents), story());
  assert.equal(repairComplaints(ours), [], `${story()} xfs_repair after Linux mounted it`);
}

for (const [index, variant] of VARIANTS.entries()) {
  for (let round = 0; round < rounds(index < 3 ? 6 : 2); round++) {
    test(`${variant.name}, round ${round + 1}`, () => {
      compareOne(variant, new Random(seed + index * 1000 + round));
    });
  }
}

test.run();
