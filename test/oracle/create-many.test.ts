// time limit: 300 s
/**
 * Files created in one directory, of every form that it takes on the way, on images with every directory layout:
 * Linux lists the same names, xfs_repair has nothing to say, and Linux can remove them all again.
 */
import { readdirSync, rmSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { openDevice } from '../../core/device/open.ts';
import { copyImage, makeXfs, missingJudges, repairComplaints, withMount } from '../harness/kernel.ts';
import { mountDevice } from '../harness/mount-device.ts';
import { announceSeed, Random } from '../harness/random.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';
import type { Variant } from '../harness/variants.ts';

const test = gatedSuite('creating many files', missingJudges());
const seed = announceSeed('create-many');

const LAYOUTS: readonly Variant[] = [
  { name: 'default', args: [] },
  { name: '1k blocks, rmapbt', args: ['-b', 'size=1024', '-m', 'rmapbt=1'] },
  { name: '1k blocks, 64k directory blocks', args: ['-b', 'size=1024', '-n', 'size=65536'] },
  { name: '64k directory blocks', args: ['-n', 'size=65536'] },
  { name: '64k blocks', args: ['-b', 'size=65536'], bytes: 512 * 2 ** 20 },
  { name: 'v4 without ftype', args: ['-m', 'crc=0', '-n', 'ftype=0'] },
  { name: 'v4 with 512-byte blocks', args: ['-m', 'crc=0', '-b', 'size=512', '-n', 'size=4096'] },
  { name: 'v4 with 8k directory blocks', args: ['-m', 'crc=0', '-n', 'size=8192'] },
  { name: 'ascii-ci', args: ['-n', 'version=ci'] },
  { name: '2k inodes', args: ['-i', 'size=2048'] },
];

const COUNTS = [1, 7, 40, 130, 900, 3000];
const ALPHABET = 'abcdefghijklmnopqrstuvwxyzäöü_-.0123456789';

/** Without accents for ascii-ci: older xfsprogs and Linux disagree about the case of Latin-1 letters. */
function randomName(random: Random, index: number, plain: boolean): string {
  const letters = plain ? ALPHABET.replace(/[^ -~]/g, 'X') : ALPHABET;
  const length = random.oneIn(4) ? random.between(1, 60) : random.between(1, 12);
  let text = '';
  for (let i = 0; i < length; i++) text += random.pick([...letters]);
  // What follows the last dot is the index: names differ, in whatever case.
  const name = `${text}.${index}`;
  return random.oneIn(5) ? `${index}${name}` : name;
}

/** The names in the root directory, by our own reading. */
function listed(image: string): string[] {
  const device = openDevice(image, { readOnly: true });
  const names = [...mountDevice(device, { readOnly: true }).root().entries()].map((entry) => entry.name);
  device.close();
  return names.filter((name) => name !== '.' && name !== '..').sort();
}

for (const layout of LAYOUTS) {
  test(layout.name, () => {
    const random = new Random(seed);
    const dir = scratch(true);
    const empty = makeXfs(join(dir, 'empty.img'), layout);
    for (const count of COUNTS) {
      const image = copyImage(empty, join(dir, 'files.img'));
      const device = openDevice(image);
      const fs = mountDevice(device);
      const names = Array.from({ length: count }, (_, i) => randomName(random, i, layout.name === 'ascii-ci'));
      const root = fs.root();
      for (const name of names) root.create(name, 0o644);
      for (const name of names) assert.ok(root.lookup(name) !== null, `${name} of ${count}`);
      fs.unmount();
      device.close();
      assert.equal(repairComplaints(image), [], `seed ${seed}, ${count} files`);
      assert.equal(listed(image), [...names].sort(), `seed ${seed}, ${count} files, read again`);
      // Linux may be built without v4 and ascii-ci: there xfs_repair alone judges.
      if (/crc=0|version=ci/.test(layout.args.join(' '))) continue;
      withMount(image, (mount) => {
        assert.equal(readdirSync(mount).sort(), [...names].sort(), `seed ${seed}, ${count} files`);
        for (const name of names) if (!random.oneIn(4)) unlinkSync(join(mount, name));
      });
      assert.equal(repairComplaints(image), [], `seed ${seed}, ${count} files, after Linux removed some`);
    }
    rmSync(dir, { recursive: true });
  });
}

test.run();
