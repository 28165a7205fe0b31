// time limit: 600 s
/**
 * Transactions of btrfs under random load: thousands of items go in, change and go out of a subvolume's tree, with
 * commits in between; snapshots share it and change too, and are dropped again. After every commit btrfs check has
 * nothing to say, and in the end Linux reads the same. The items are extended attributes of the root directories:
 * items that need nothing else to be valid.
 */
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { openDevice } from '../../core/device/open.ts';
import { FsError } from '../../core/errors.ts';
import { ENABLE_SIMPLE_QUOTAS, moveBlockGroups } from '../harness/btrfs-convert.ts';
import {
  type BtrfsVariant,
  checkComplaints,
  makeBtrfs,
  missingBtrfsJudges,
  withBtrfs,
} from '../harness/btrfs-judge.ts';
import { openTrees, type Trees } from '../harness/btrfs-trees.ts';
import { run } from '../harness/kernel.ts';
import { announceSeed, Random, sample } from '../harness/random.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';

const test = gatedSuite('btrfs transactions', missingBtrfsJudges());
const seed = announceSeed('btrfs-trans');
const words = (text: string): string[] => text.split(' ').filter((word) => word !== '');
const MIB = 2 ** 20;

interface Kind extends BtrfsVariant {
  readonly convert?: (path: string) => void;
  /** The installed btrfs check refuses it: only Linux judges. */
  readonly unchecked?: boolean;
}

const VARIANTS: readonly Kind[] = [
  { name: 'default', args: [] },
  { name: '4k nodes, ^no-holes, ^free-space-tree', args: words('-n 4096 -O ^no-holes -R ^free-space-tree') },
  { name: '64k nodes, xxhash', args: words('-n 65536 --csum xxhash') },
  { name: 'fat extent items', args: words('-O ^skinny-metadata,^extref') },
  { name: 'mixed groups', args: words('-M -n 4096'), bytes: 120 * MIB },
  { name: 'raid1', args: words('-m raid1 -d raid1'), devices: 2 },
  { name: 'raid10 metadata', args: words('-m raid10 -d raid0'), devices: 4 },
  { name: 'raid5 metadata', args: words('-m raid5 -d raid5'), devices: 3 },
  { name: 'single metadata', args: words('-m single --csum sha256') },
  { name: 'block group tree', args: [], convert: moveBlockGroups },
  { name: 'simple quotas', args: [], setup: [ENABLE_SIMPLE_QUOTAS], unchecked: true },
  { name: 'full quotas', args: words('-R quota'), setup: [words('btrfs quota enable {}')] },
];

function make(dir: string, kind: Kind): string[] {
  const paths = makeBtrfs(dir, kind);
  if (kind.convert !== undefined) for (const path of paths) kind.convert(path);
  return paths;
}

function complaints(paths: readonly string[], kind: Kind): string[] {
  return kind.unchecked === true ? [] : checkComplaints(paths);
}

/** One subvolume and what its attributes should be. */
interface Model {
  readonly id: number;
  readonly attributes: Map<string, Buffer>;
}

function change(trees: Trees, model: Model, random: Random, count: number, largest: number): void {
  const names = [...model.attributes.keys()];
  for (let i = 0; i < count; i++) {
    const old = names.length > 0 && random.oneIn(3) ? random.pick(names) : null;
    if (old !== null && random.oneIn(2)) {
      trees.removeAttribute(model.id, old);
      model.attributes.delete(old);
      names.splice(names.indexOf(old), 1);
      continue;
    }
    const name = old ?? `user.${i}.${random.below(1 << 30).toString(36)}`;
    const value = Buffer.alloc(random.oneIn(4) ? random.below(largest) : random.below(60), name);
    trees.setAttribute(model.id, name, value);
    if (old === null) names.push(name);
    model.attributes.set(name, value);
  }
}

function compare(trees: Trees, models: readonly Model[]): void {
  for (const model of models) {
    const found = trees.attributes(model.id);
    assert.is(found.size, model.attributes.size, `tree ${model.id}: count`);
    for (const [name, value] of model.attributes) {
      assert.ok(found.get(name)?.equals(value), `tree ${model.id}: ${name}`);
    }
  }
}

const READ_ATTRIBUTES = `
import json, os, sys
for path, names in json.load(sys.stdin):
    for name in names:
        print(os.getxattr(path, name).hex())
`;

/** What Linux reads of some attributes, against the model. */
function compareWithLinux(
  paths: readonly string[],
  models: readonly (Model & { path: string })[],
  random: Random,
): void {
  const wanted = models.map(({ path, attributes }) => {
    const names = [...attributes.keys()];
    return { path, attributes, names: names.filter(() => random.oneIn(Math.ceil(names.length / 20))) };
  });
  withBtrfs(paths, (mount) => {
    const input = JSON.stringify(wanted.map(({ path, names }) => [join(mount, path), names]));
    const outcome = run('python3', ['-c', READ_ATTRIBUTES], { input });
    assert.is(outcome.status, 0, outcome.stderr);
    const values = wanted.flatMap(({ attributes, names }) =>
      names.map((name) => attributes.get(name)?.toString('hex')),
    );
    assert.equal(outcome.stdout.split('\n').slice(0, -1), values);
  });
}

for (const variant of sample(VARIANTS, 4, seed)) {
  test(`${variant.name}: one tree`, () => {
    const random = new Random(seed);
    const dir = scratch(true);
    const paths = make(dir, variant);
    const largest = /-n 4096/.test(variant.args.join(' ')) ? 3000 : 6000;
    const model: Model = { id: 5, attributes: new Map() };
    for (let round = 0; round < 6; round++) {
      const devices = paths.map((path) => openDevice(path));
      const trees = openTrees(devices);
      compare(trees, [model]);
      for (let commits = random.between(1, 3); commits > 0; commits--) {
        change(trees, model, random, random.pick([1, 5, 60, 400]), largest);
        if (random.oneIn(3)) trees.failingChange(model.id, random.pick([1, 20, 300]));
        trees.commit();
      }
      compare(trees, [model]);
      for (const device of devices) device.close();
      assert.equal(complaints(paths, variant), [], `seed ${seed}, round ${round}`);
    }
    compareWithLinux(paths, [{ ...model, path: '.' }], random);
    assert.equal(complaints(paths, variant), [], `seed ${seed}, after Linux`);
  });
}

for (const variant of sample(
  VARIANTS.filter(({ name }) => name !== 'full quotas'),
  5,
  seed,
)) {
  test(`${variant.name}: snapshots`, () => {
    const random = new Random(seed);
    const dir = scratch(true);
    const paths = make(dir, variant);
    const largest = /-n 4096/.test(variant.args.join(' ')) ? 3000 : 6000;
    let models: (Model & { path: string })[] = [{ id: 5, path: '.', attributes: new Map() }];
    for (let round = 0; round < 8; round++) {
      const devices = paths.map((path) => openDevice(path));
      const trees = openTrees(devices);
      compare(trees, models);
      for (let step = random.between(2, 8); step > 0; step--) {
        const model = random.pick(models);
        const path = `s${round}.${step}`;
        if (random.oneIn(3) && models.length < 12) {
          const id = trees.snapshot(model.id, path);
          models.push({ id, path, attributes: new Map(model.attributes) });
        } else if (random.oneIn(12)) {
          models.push({ id: trees.subvolume(path), path, attributes: new Map() });
        } else if (random.oneIn(5) && model.id !== 5) {
          trees.drop(model.path);
          models = models.filter((other) => other !== model);
        } else change(trees, model, random, random.pick([1, 5, 60, 300]), largest);
        if (random.oneIn(3)) trees.commit();
      }
      trees.commit();
      compare(trees, models);
      assert.equal(trees.simpleQuotaFaults(), [], `seed ${seed}, round ${round}`);
      for (const device of devices) device.close();
      assert.equal(complaints(paths, variant), [], `seed ${seed}, round ${round}`);
    }
    compareWithLinux(paths, models, random);
    assert.equal(complaints(paths, variant), [], `seed ${seed}, after Linux`);
  });
}

for (const variant of VARIANTS.filter(({ name }) => /^(default|4k|mixed|full)/.test(name))) {
  test(`${variant.name}: operations that fail halfway`, () => {
    const random = new Random(seed);
    const dir = scratch(true);
    const paths = make(dir, variant);
    const models: (Model & { path: string })[] = [{ id: 5, path: '.', attributes: new Map() }];
    let failures = 0;
    for (let round = 0; round < 4; round++) {
      const devices = paths.map((path) => openDevice(path));
      const trees = openTrees(devices);
      compare(trees, models);
      const faults = trees.failingAllocations(random, 12);
      for (let i = 0; i < 250; i++) {
        const model = random.pick(models);
        const name = `user.${random.below(400)}`;
        const path = `s${round}.${i}`;
        faults.armed = true;
        try {
          if (random.oneIn(25) && models.length < 8) {
            const id = trees.snapshot(model.id, path);
            models.push({ id, path, attributes: new Map(model.attributes) });
          } else if (random.oneIn(3) && model.attributes.has(name)) {
            trees.removeAttribute(model.id, name);
            model.attributes.delete(name);
          } else {
            const value = Buffer.alloc(random.below(2500), name);
            trees.setAttribute(model.id, name, value);
            model.attributes.set(name, value);
          }
        } catch (error) {
          if (!(error instanceof FsError) || error.code !== 'ENOSPC') throw error;
          failures++;
        }
        faults.armed = false;
        if (random.oneIn(20)) trees.commit();
      }
      compare(trees, models);
      trees.fs.unmount();
      for (const device of devices) device.close();
      assert.equal(complaints(paths, variant), [], `seed ${seed}, round ${round}`);
    }
    assert.ok(failures > 10, 'operations did fail');
    compareWithLinux(paths, models, random);
  });
}

const SMALL: readonly BtrfsVariant[] = [
  { name: 'default', args: [], bytes: 120 * MIB },
  { name: 'mixed groups', args: words('-M -n 4096'), bytes: 40 * MIB },
];

for (const variant of SMALL) {
  test(`${variant.name}: no room for metadata`, () => {
    const random = new Random(seed);
    const paths = makeBtrfs(scratch(true), variant);
    const devices = paths.map((path) => openDevice(path));
    const trees = openTrees(devices);
    const attributes = new Map<string, Buffer>();
    const snapshots: string[] = [];
    let refused = 0;
    for (let i = 0; i < 20000 && refused < 60; i++) {
      const name = `user.${i}`;
      const value = Buffer.alloc(random.below(3000), name);
      const gone =
        refused > 0 && random.oneIn(3) ? [...attributes.keys()].at(random.below(attributes.size)) : undefined;
      try {
        if (gone !== undefined) {
          trees.removeAttribute(5, gone);
          attributes.delete(gone);
        } else if (random.oneIn(1000)) {
          trees.snapshot(5, `s${i}`);
          snapshots.push(`s${i}`);
        } else if (refused > 0 && random.oneIn(30) && snapshots.length > 0) {
          trees.drop(snapshots.pop() as string);
        } else {
          trees.setAttribute(5, name, value);
          attributes.set(name, value);
        }
      } catch (error) {
        if (!(error instanceof FsError) || error.code !== 'ENOSPC') throw error;
        refused++;
      }
      if (random.oneIn(300)) trees.commit();
    }
    assert.ok(refused > 0, 'it was full');
    trees.fs.unmount();
    compare(trees, [{ id: 5, attributes }]);
    for (const device of devices) device.close();
    assert.equal(checkComplaints(paths), [], `seed ${seed}`);
    compareWithLinux(paths, [{ id: 5, path: '.', attributes }], random);
  });
}

test.run();
