// time limit: 300 s
/**
 * Directories that grow through every form and shrink again, with names added, removed and renamed at random, many of
 * them of one hash: our own reading and xfs_repair agree with a plain list of names at every turn.
 */
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { openDevice } from '../../core/device/open.ts';
import type { Inode } from '../../core/vfs/inode.ts';
import { makeXfs, missingJudges, repairComplaints, withMount } from '../harness/kernel.ts';
import { mountDevice } from '../harness/mount-device.ts';
import { announceSeed, Random, rounds } from '../harness/random.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';

const test = gatedSuite('directories that grow and shrink', missingJudges());
const seed = announceSeed('directory-churn');

const LAYOUTS: readonly (readonly [string, readonly string[], number?])[] = [
  ['default', []],
  ['1k blocks, rmapbt', ['-b', 'size=1024', '-m', 'rmapbt=1']],
  ['1k blocks, 4k directory blocks', ['-b', 'size=1024', '-n', 'size=4096']],
  ['v4 with 512-byte blocks', ['-m', 'crc=0', '-b', 'size=512', '-n', 'size=4096']],
  ['64k directory blocks', ['-n', 'size=65536']],
];

/** Sizes to grow or shrink to, one after the other; the last is empty again. */
const TURNS = [300, 20, 1200, 100, 5000, 1500, 3500, 40, 3, 0];

/** Letter pairs five apart that may change together without changing the hash. */
function sameHashName(index: number): string {
  const letters = [...'aaaab'.repeat(12)];
  for (let bit = 0; bit < 12; bit++) {
    if (((index >> bit) & 1) === 0) continue;
    letters[bit * 5] = 'q';
    letters[bit * 5 + 4] = 'c';
  }
  return letters.join('');
}

class Churn {
  private readonly random: Random;
  dir: Inode;
  readonly names: string[] = [];
  private readonly known = new Set<string>();
  private serial = 0;

  constructor(random: Random, dir: Inode) {
    this.random = random;
    this.dir = dir;
  }

  private fresh(): string {
    const { random } = this;
    for (;;) {
      const name = random.oneIn(6)
        ? sameHashName(random.below(4096))
        : `${'x'.repeat(random.below(random.oneIn(9) ? 200 : 20))}${this.serial++}`;
      if (!this.known.has(name)) return name;
    }
  }

  add(): void {
    const name = this.fresh();
    if (this.random.oneIn(7) && this.names.length > 0) {
      const old = this.random.pick(this.names);
      this.dir.rename(old, this.dir, name);
      this.forget(old);
    } else this.dir.create(name, 0o600);
    this.names.push(name);
    this.known.add(name);
  }

  remove(): void {
    const name = this.random.pick(this.names);
    this.dir.unlink(name);
    this.forget(name);
  }

  private forget(name: string): void {
    const last = this.names.pop() as string;
    if (last !== name) this.names[this.names.indexOf(name)] = last;
    this.known.delete(name);
  }

  check(): void {
    const listed = [...this.dir.entries()].map((entry) => entry.name).filter((name) => name !== '.' && name !== '..');
    assert.equal(listed.sort(), [...this.names].sort());
    for (const name of this.names) assert.ok(this.dir.lookup(name) !== null, name);
    assert.is(this.dir.lookup(this.fresh()), null);
  }
}

function open(image: string) {
  const device = openDevice(image);
  return { device, fs: mountDevice(device) };
}

for (const [name, args, bytes] of LAYOUTS) {
  test(name, () => {
    const folder = scratch(true);
    const image = makeXfs(join(folder, 'image'), bytes === undefined ? { args } : { args, bytes });
    for (let round = 0; round < rounds(1); round++) {
      const random = new Random(seed + round);
      let { fs, device } = open(image);
      const dir = fs.root().mkdir(`dir${round}`, 0o755);
      const churn = new Churn(random, dir);
      for (const turn of TURNS) {
        const growing = churn.names.length < turn;
        while (growing ? churn.names.length < turn : churn.names.length > turn) {
          if (churn.names.length === 0 || random.below(10) < (growing ? 8 : 2)) churn.add();
          else churn.remove();
        }
        churn.check();
        fs.unmount();
        device.close();
        assert.equal(repairComplaints(image), [], `seed ${seed}, round ${round}, to ${turn} names`);
        ({ fs, device } = open(image));
        churn.dir = fs.iget(dir.ino);
      }
      assert.is(churn.dir.stat().size, 6, 'an empty directory is in its inode again');
      for (let i = 0; i < 400; i++) churn.add();
      fs.unmount();
      device.close();
      assert.equal(repairComplaints(image), [], `seed ${seed}, round ${round}`);
      if (args.includes('crc=0')) continue;
      withMount(image, (mount) =>
        assert.equal(readdirSync(join(mount, `dir${round}`)).sort(), [...churn.names].sort()),
      );
    }
    rmSync(folder, { recursive: true });
  });
}

test.run();
