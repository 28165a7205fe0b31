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
import { FsError } from '../../core/errors.ts';
import { type BtrfsVariant, checkComplaints, makeBtrfs, missingBtrfsJudges } from '../harness/btrfs-judge.ts';
import { openTrees, type Trees } from '../harness/btrfs-trees.ts';
import { copyImage, must } from '../harness/kernel.ts';
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
    crashes(dir, before, events, cuts(events, random, 40, 40), (crashed, cut) => {
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
      return 'untouched';
    });
  });
}

test('a device that fails in a commit keeps the last one', () => {
  const random = new Random(seed);
  const dir = scratch(true);
  const [image] = makeBtrfs(dir, { name: 'default', args: [] }) as [string];
  for (let round = 0; round < 8; round++) {
    const device = openDevice(image);
    const trees = openTrees([device]);
    const before = trees.attributes(FS_TREE);
    let left = random.below(8);
    const fail = (): void => {
      if (left-- === 0) throw new FsError('EIO', { detail: 'on purpose' });
    };
    const write = device.write.bind(device);
    const writev = device.writev.bind(device);
    device.write = (addr, from) => {
      fail();
      write(addr, from);
    };
    device.writev = (addr, from) => {
      fail();
      writev(addr, from);
    };
    let failed = false;
    for (let i = 0; i < 30 && !failed; i++) {
      trees.setAttribute(FS_TREE, `user.${round}.${i}`, Buffer.alloc(random.below(800)));
      if (i % 10 === 9) failed = refuses(() => trees.commit());
    }
    if (failed) assert.ok(refuses(() => trees.setAttribute(FS_TREE, 'user.late', Buffer.alloc(1))));
    device.close();
    assert.equal(checkComplaints([image]), [], `seed ${seed}, round ${round}`);
    const again = openDevice(image, { readOnly: true });
    const found = openTrees([again], true).attributes(FS_TREE);
    again.close();
    assert.is(found.size % 10, 0, 'whole commits');
    assert.ok(found.size >= before.size);
  }
});

/** True if it fails with EIO. */
function refuses(fn: () => void): boolean {
  try {
    fn();
    return false;
  } catch (error) {
    if (error instanceof FsError && error.code === 'EIO') return true;
    throw error;
  }
}

type State = ReadonlyMap<string, ReadonlyMap<string, Buffer>>;

for (const variant of VARIANTS) {
  test(`${variant.name}: snapshots made, changed and dropped`, () => {
    const random = new Random(seed);
    const dir = scratch(true);
    const [image] = makeBtrfs(dir, variant) as [string];
    prepare(image);
    const before = copyImage(image, join(dir, 'before.img'));
    const device = new RecorderDevice(openDevice(image));
    const trees = openTrees([device]);
    let state = readState(trees);
    const states = [state];
    const commit = (): void => {
      trees.commit();
      settled();
    };
    const settled = (): void => {
      states.push(state);
      device.mark(String(states.length - 1));
    };
    for (let step = 0; step < 12; step++) {
      const names = [...state.keys()];
      const name = random.pick(names);
      const id = trees.subvolumes().get(name) ?? FS_TREE;
      const choice = random.below(4);
      if (choice === 0 && names.length < 6) {
        trees.snapshot(id, `s${step}`);
        state = new Map(state).set(`s${step}`, state.get(name) as ReadonlyMap<string, Buffer>);
      } else if (choice === 1 && name !== '') {
        state = new Map([...state].filter(([other]) => other !== name));
        trees.dropSlowly(name, random.pick([1, 3, 10]), settled);
      } else {
        const attributes = new Map(state.get(name));
        for (let i = random.pick([1, 10, 40]); i > 0; i--) {
          const attribute = `user.${random.below(300)}`;
          const value = Buffer.alloc(random.below(1200), attribute);
          trees.setAttribute(id, attribute, value);
          attributes.set(attribute, value);
        }
        state = new Map(state).set(name, attributes);
      }
      commit();
    }
    device.close();
    const { events } = device;
    crashes(dir, before, events, cuts(events, random, 30, 30), (crashed, cut) => {
      const label = `seed ${seed}, ${cut.label}`;
      assert.equal(checkComplaints([crashed]), [], label);
      const mark = events.slice(0, cut.end).findLast((event) => event.kind === 'mark');
      const done = mark?.kind === 'mark' ? Number(mark.label) : 0;
      const copy = openDevice(crashed);
      const again = openTrees([copy]);
      const found = readState(again);
      assert.ok(
        [states[done], states[done + 1]].some((expected) => expected !== undefined && sameState(found, expected)),
        `${label}: neither the state of commit ${done} nor the next`,
      );
      // What was being dropped is dropped to the end when something is written.
      again.setAttribute(FS_TREE, 'user.after', Buffer.from('the crash'));
      again.fs.unmount();
      copy.close();
      assert.equal(checkComplaints([crashed]), [], `${label}, finished`);
      assert.is(
        must('btrfs', 'inspect-internal', 'dump-tree', '-t', 'root', crashed).match(/ORPHAN_ITEM/),
        null,
        label,
      );
      return 'changed';
    });
  });
}

/** A tree of some height, and a first snapshot. */
function prepare(image: string): void {
  const device = openDevice(image);
  const trees = openTrees([device]);
  for (let i = 0; i < 300; i++) trees.setAttribute(FS_TREE, `user.${i}`, Buffer.alloc((i * 101) % 1200, String(i)));
  trees.snapshot(FS_TREE, 'first');
  trees.commit();
  device.close();
}

function readState(trees: Trees): State {
  const state = new Map([['', trees.attributes(FS_TREE)]]);
  for (const [name, id] of trees.subvolumes()) state.set(name, trees.attributes(id));
  return state;
}

function sameState(a: State, b: State): boolean {
  if (a.size !== b.size) return false;
  for (const [name, attributes] of a) {
    const other = b.get(name);
    if (other === undefined || !same(attributes, other)) return false;
  }
  return true;
}

function same(a: ReadonlyMap<string, Buffer>, b: ReadonlyMap<string, Buffer>): boolean {
  if (a.size !== b.size) return false;
  for (const [name, value] of a) if (b.get(name)?.equals(value) !== true) return false;
  return true;
}

test.run();
