// time limit: 600 s
/**
 * Power cuts between and inside commits: of every prefix of the recorded writes, and of random subsets of what was
 * written since the last flush, btrfs check has nothing to say, and the trees hold the state of the last commit that
 * was completed, or of the one that was under way.
 */
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { openDevice } from '../../core/device/open.ts';
import { RecorderDevice } from '../../core/device/recorder.ts';
import { type BtrfsVariant, checkComplaints, makeBtrfs, missingBtrfsJudges } from '../harness/btrfs-judge.ts';
import { openTrees } from '../harness/btrfs-trees.ts';
import { copyImage } from '../harness/kernel.ts';
import { announceSeed, Random } from '../harness/random.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';
import { crashes, cuts } from './cuts.ts';

const test = gatedSuite('btrfs commits under power cuts', missingBtrfsJudges());
const seed = announceSeed('crash btrfs-trans');
const FS_TREE = 5;

const VARIANTS: readonly BtrfsVariant[] = [
  { name: 'default', args: [] },
  { name: '4k nodes, ^free-space-tree', args: ['-n', '4096', '-R', '^free-space-tree'] },
  { name: 'mixed groups', args: ['-M', '-n', '4096'], bytes: 120 * 2 ** 20 },
];

for (const variant of VARIANTS) {
  test(variant.name, () => {
    const random = new Random(seed);
    const dir = scratch(true);
    const [image] = makeBtrfs(dir, variant) as [string];
    const before = copyImage(image, join(dir, 'before.img'));
    const device = new RecorderDevice(openDevice(image));
    const trees = openTrees([device]);
    const attributes = new Map<string, Buffer>();
    const states = [new Map(attributes)];
    for (let commit = 0; commit < 8; commit++) {
      for (let i = random.pick([1, 10, 100]); i > 0; i--) {
        const names = [...attributes.keys()];
        if (names.length > 0 && random.oneIn(3)) {
          const name = random.pick(names);
          trees.removeAttribute(FS_TREE, name);
          attributes.delete(name);
        } else {
          const name = `user.${commit}.${i}`;
          const value = Buffer.alloc(random.below(1200), name);
          trees.setAttribute(FS_TREE, name, value);
          attributes.set(name, value);
        }
      }
      trees.commit();
      states.push(new Map(attributes));
      device.mark(String(states.length - 1));
    }
    device.close();
    const { events } = device;
    crashes(dir, before, events, cuts(events, random, 60, 60), (crashed, cut) => {
      const label = `seed ${seed}, ${cut.label}`;
      assert.equal(checkComplaints([crashed]), [], label);
      const mark = events.slice(0, cut.end).findLast((event) => event.kind === 'mark');
      const done = mark?.kind === 'mark' ? Number(mark.label) : 0;
      const copy = openDevice(crashed, { readOnly: true });
      const found = openTrees([copy], true).attributes(FS_TREE);
      copy.close();
      assert.ok(
        [states[done], states[done + 1]].some((state) => state !== undefined && same(found, state)),
        `${label}: neither the state of commit ${done} nor the next`,
      );
    });
  });
}

function same(a: ReadonlyMap<string, Buffer>, b: ReadonlyMap<string, Buffer>): boolean {
  if (a.size !== b.size) return false;
  for (const [name, value] of a) if (b.get(name)?.equals(value) !== true) return false;
  return true;
}

test.run();
