/**
 * Direct access on XFS against byte arrays: writes and stores at any position, over holes, preallocated and shared
 * blocks, between cached writes to the same files. Linux then reads what the model says.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { daxFault, daxRead, daxWrite, PMD_SIZE } from '../../core/iomap/dax.ts';
import { bufferedRead } from '../../core/iomap/read.ts';
import { File } from '../../core/vfs/file.ts';
import type { XfsFilesystem } from '../../formats/xfs/filesystem.ts';
import type { XfsInode } from '../../formats/xfs/inode.ts';
import { missingJudges, repairComplaints, withMount } from '../harness/kernel.ts';
import { announceSeed, Random, rounds } from '../harness/random.ts';
import { gatedSuite } from '../harness/suite.ts';
import { freshImage, openImage } from './xfs-fixture.ts';

const test = gatedSuite('xfs dax', missingJudges());
const seed = announceSeed('xfs-dax');
const SPAN = 300_000;
const NAMES = ['a', 'b'] as const;

class World {
  readonly files: XfsInode[];
  readonly models = NAMES.map(() => new Uint8Array(0));
  readonly random: Random;

  constructor(fs: XfsFilesystem, random: Random) {
    this.random = random;
    this.files = NAMES.map((name) => fs.root().create(name, 0o644) as XfsInode);
    for (const ip of this.files) ip.acquire();
  }

  private store(i: number, pos: number, bytes: Uint8Array): void {
    const model = this.models[i] as Uint8Array;
    if (pos + bytes.length > model.length) {
      const grown = new Uint8Array(pos + bytes.length);
      grown.set(model);
      this.models[i] = grown;
    }
    this.models[i]?.set(bytes, pos);
  }

  step(): void {
    const { random } = this;
    const i = random.below(2);
    const ip = this.files[i] as XfsInode;
    const pos = random.below(SPAN);
    const bytes = new Uint8Array(random.between(1, random.oneIn(3) ? 20_000 : 300)).fill(random.between(1, 255));
    const dice = random.below(100);
    if (dice < 40) this.write(i, ip, pos, bytes, true);
    else if (dice < 55) this.write(i, ip, pos, bytes, false);
    else if (dice < 75) this.mapped(i, ip, pos, bytes);
    else if (dice < 85) this.share(i, ip);
    else if (dice < 90) ip.fallocate('allocate', pos, bytes.length, true);
    else if (dice < 95) ip.fsync(false);
    else this.check(i, ip);
  }

  private write(i: number, ip: XfsInode, pos: number, bytes: Uint8Array, dax: boolean): void {
    const file = new File(ip, { write: true, dax });
    file.write(pos, bytes);
    file.close();
    this.store(i, pos, bytes);
  }

  /** Stores through a mapping, page by page. */
  private mapped(i: number, ip: XfsInode, pos: number, bytes: Uint8Array): void {
    const end = Math.min(pos + bytes.length, ip.size);
    for (let at = pos; at < end; ) {
      const piece = daxFault(ip, at, true, 0, SPAN * 2);
      const stop = Math.min(end, piece.pos + piece.length);
      const part = bytes.subarray(at - pos, stop - pos);
      assert.ok(piece.device !== null);
      piece.device?.write(piece.addr + (at - piece.pos), part);
      this.store(i, at, part);
      at = stop;
    }
  }

  private share(i: number, ip: XfsInode): void {
    const other = this.files[1 - i] as XfsInode;
    const model = this.models[1 - i] as Uint8Array;
    const from = this.random.below(40) * 4096;
    const length = this.random.between(1, 20) * 4096;
    if (from + length > other.size) return;
    ip.reflink(other, from, from, length);
    this.store(i, from, model.slice(from, from + length));
  }

  check(i: number, ip: XfsInode): void {
    const model = this.models[i] as Uint8Array;
    assert.is(ip.size, model.length);
    const into = new Uint8Array(model.length);
    const wrong = (got: Uint8Array) => got.findIndex((byte, at) => byte !== model[at]);
    assert.is(this.random.oneIn(2) ? daxRead(ip, 0, into) : bufferedRead(ip, 0, into), model.length);
    assert.is(wrong(into), -1, `first wrong byte of ${NAMES[i]}`);
  }
}

test('random writes, stores and sharing', () => {
  for (let round = 0; round < rounds(6); round++) {
    const path = freshImage(round % 2 === 0 ? '' : '-m rmapbt=1');
    const fs = openImage(path, new Random(seed + round));
    const world = new World(fs, new Random(seed + round));
    for (let i = 0; i < 150; i++) world.step();
    for (const [i, ip] of world.files.entries()) {
      world.check(i, ip);
      ip.release(true);
    }
    fs.unmount();
    assert.equal(repairComplaints(path), []);
    const hash = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
    const kernel = withMount(path, (at) => NAMES.map((name) => hash(readFileSync(join(at, name)))));
    assert.equal(kernel, world.models.map(hash), `seed ${seed + round}`);
  }
});

test('what lies aligned is mapped by the 2 MiB, all else by the page; other blocks are refused', () => {
  const fs = openImage(freshImage('', 400 * 2 ** 20), new Random(1));
  const write = (name: string, length: number): XfsInode => {
    const made = fs.root().create(name, 0o644) as XfsInode;
    // Exactly so many blocks: what a write reserves beyond the end would lie between.
    made.fallocate('allocate', 0, length, false);
    daxWrite(made, 0, new Uint8Array(length).fill(0x61));
    return made;
  };
  // What lies before decides where a file begins: a first one fills up to the next 2 MiB.
  const { addr } = daxFault(write('probe', PMD_SIZE / 2), 0, false, 0, 4096);
  write('filler', PMD_SIZE - ((addr + PMD_SIZE / 2) % PMD_SIZE));
  const ip = write('big', 3 * PMD_SIZE);
  const file = new File(ip, { write: true, dax: true });
  assert.is(file.read(5000, new Uint8Array(10)), 10);
  const size = ip.size;
  assert.is(daxFault(ip, 5000, false, 0, size).length, PMD_SIZE);
  assert.is(daxFault(ip, 5000, true, 0, size).length, PMD_SIZE);
  assert.is(daxFault(ip, 5000, false, 4096, size).length, 4096);
  const copy = fs.root().create('copy', 0o644) as XfsInode;
  copy.reflink(ip, 0, 0, 0);
  const old = daxFault(ip, 5000, false, 0, size);
  assert.is(old.length, 4096);
  const fresh = daxFault(ip, 5000, true, 0, size);
  assert.is.not(fresh.addr, old.addr, 'a write fault of a shared page copies it');
  const bytes = new Uint8Array(8);
  fresh.device?.read(fresh.addr, bytes);
  assert.equal([...bytes], Array(8).fill(0x61));
  ip.truncate(size + 8192);
  assert.is(daxFault(ip, size + 10, false, 0, size + 8192).device, null, 'the zero page');
  assert.throws(() => daxFault(ip, size + 8192, false, 0, size * 2), /Bad address/);
  file.close();
  fs.unmount();
  const small = openImage(freshImage('-b size=1024'), new Random(1));
  const other = small.root().create('f', 0o644);
  assert.throws(() => new File(other, { write: true, dax: true }), /not supported/);
  small.unmount();
});

test.run();
