// time limit: 200 s
/**
 * Random changes of file data on a btrfs that is nearly full, against a model that is nothing but bytes: a change
 * happens, or there is no space for it. After each mount all bytes are the model's, and btrfs check has nothing to say.
 */
import * as assert from 'uvu/assert';
import { FileDevice } from '../../core/device/file.ts';
import { FsError } from '../../core/errors.ts';
import { openFile } from '../../core/vfs/file.ts';
import type { Filesystem, MountOptions } from '../../core/vfs/filesystem.ts';
import type { Inode } from '../../core/vfs/inode.ts';
import { assertBytes } from '../harness/assert-bytes.ts';
import { checkComplaints, makeBtrfs, missingBtrfsJudges } from '../harness/btrfs-judge.ts';
import { mountDevice } from '../harness/mount-device.ts';
import { announceSeed, Random, rounds } from '../harness/random.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';

const test = gatedSuite('btrfs file data against bytes', missingBtrfsJudges());
const seed = announceSeed('btrfs-data');
const SECTOR = 4096;
const MIB = 2 ** 20;
const NAMES = ['a', 'b', 'c', 'd'];

interface Kind {
  readonly name: string;
  readonly args: string;
  readonly bytes: number;
  readonly options?: Partial<MountOptions>;
}

const compress = (method: string, force: boolean): Partial<MountOptions> => ({ compress: { method, force } });

const KINDS: readonly Kind[] = [
  { name: 'mixed', args: '--mixed', bytes: 20 * MIB },
  { name: 'default', args: '', bytes: 120 * MIB },
  { name: 'old', args: '-n 4096 -O ^no-holes,^extref,^skinny-metadata -R ^free-space-tree', bytes: 112 * MIB },
  { name: 'zstd', args: '--mixed --csum xxhash', bytes: 20 * MIB, options: compress('zstd', true) },
  { name: 'zlib', args: '--mixed -O ^no-holes', bytes: 20 * MIB, options: compress('zlib:9', false) },
  { name: 'lzo', args: '--mixed --csum sha256', bytes: 20 * MIB, options: compress('lzo', false) },
];

/** The same changes on a file system and on bytes. */
class Run {
  private readonly random: Random;
  private readonly image: string;
  private readonly kind: Kind;
  private readonly model = new Map<string, Uint8Array>();
  private readonly story: string[] = [];
  private fs: Filesystem;
  /** How often there was no space. */
  full = 0;

  constructor(random: Random, image: string, kind: Kind) {
    this.random = random;
    this.image = image;
    this.kind = kind;
    this.fs = this.mount();
    for (const name of NAMES) {
      openFile(this.fs, this.fs.root(), `/${name}`, { write: true, create: true }).close();
      this.model.set(name, new Uint8Array(0));
    }
  }

  private mount(): Filesystem {
    return mountDevice(new FileDevice(this.image), this.kind.options ?? {});
  }

  /** Leaves little free space. */
  fill(): void {
    const file = openFile(this.fs, this.fs.root(), '/fill', { write: true, create: true });
    const bytes = noise(this.random, MIB);
    try {
      for (let pos = 0; ; pos += file.write(pos, bytes)) if (pos > 400 * MIB) throw new Error('never full');
    } catch (error) {
      if (!(error instanceof FsError) || error.code !== 'ENOSPC') throw error;
    }
    try {
      file.fsync(false);
    } catch (error) {
      if (!(error instanceof FsError) || error.code !== 'ENOSPC') throw error;
    }
    file.truncate(Math.max(0, file.inode.size - this.random.between(1, 3) * MIB));
    file.close();
    this.fs.sync();
  }

  step(): void {
    const { random } = this;
    const dice = random.below(100);
    const name = random.pick(NAMES);
    if (dice < 45) this.write(name);
    else if (dice < 55) this.attempt(`truncate ${name}`, () => this.truncate(name));
    else if (dice < 70) this.attempt(`space ${name}`, () => this.space(name));
    else if (dice < 88) this.attempt(`clone ${name}`, () => this.clone(name));
    else if (dice < 96) this.attempt(`fsync ${name}`, () => this.inode(name).fsync(false));
    else if (dice < 98) this.compare();
    else this.remount();
  }

  private note(text: string): void {
    this.story.push(text);
  }

  private attempt(text: string, act: () => void): void {
    try {
      act();
    } catch (error) {
      if (!(error instanceof FsError) || error.code !== 'ENOSPC') {
        throw new Error(`${this.kind.name}, seed ${seed}: ${text}: ${(error as Error).stack}\n${this.tail()}`);
      }
      this.note(`${text}: no space`);
      this.full++;
      // How far it got is not said: what is there now counts.
      for (const each of NAMES) this.model.set(each, this.contents(each));
    }
  }

  private tail(): string {
    return this.story.slice(-60).join('\n');
  }

  private inode(name: string): Inode {
    return this.fs.root().child(name) as Inode;
  }

  private position(): number {
    const at = this.random.below(1_000_000);
    return this.random.oneIn(3) ? at : at - (at % SECTOR);
  }

  private write(name: string): void {
    const { random } = this;
    const pos = this.position();
    const length = random.oneIn(3) ? random.between(1, 200) : random.between(1, 300_000);
    const bytes = random.oneIn(2) ? noise(random, length) : new Uint8Array(length).fill(random.between(1, 255));
    const direct = random.oneIn(8);
    this.note(`write ${name} ${pos} ${length}${direct ? ' direct' : ''}`);
    this.attempt(`write ${name}`, () => {
      const file = openFile(this.fs, this.fs.root(), `/${name}`, { write: true, direct });
      const written = file.write(pos, bytes);
      this.change(name, Math.max(this.bytes(name).length, pos + written)).set(bytes.subarray(0, written), pos);
      file.close();
    });
  }

  private bytes(name: string): Uint8Array {
    return this.model.get(name) as Uint8Array;
  }

  /** The model's bytes of a file, resized. */
  private change(name: string, size: number): Uint8Array {
    const next = new Uint8Array(size);
    next.set(this.bytes(name).subarray(0, size));
    this.model.set(name, next);
    return next;
  }

  private truncate(name: string): void {
    const size = this.random.oneIn(5) ? 0 : this.position();
    this.note(`truncate ${name} ${size}`);
    this.inode(name).truncate(size);
    this.change(name, size);
  }

  private space(name: string): void {
    const mode = this.random.pick(['allocate', 'punch', 'zero'] as const);
    const keep = this.random.oneIn(2);
    const pos = this.position();
    const length = this.random.between(1, 200_000);
    this.note(`${mode} ${name} ${pos} ${length} ${keep}`);
    this.inode(name).fallocate(mode, pos, length, keep);
    const size = this.bytes(name).length;
    const next = this.change(name, keep || mode === 'punch' ? size : Math.max(size, pos + length));
    if (mode !== 'allocate') next.fill(0, pos, pos + length);
  }

  private clone(name: string): void {
    const from = this.random.pick(NAMES);
    const source = this.bytes(from);
    const blocks = Math.floor(source.length / SECTOR);
    if (blocks === 0) return;
    const start = this.random.below(blocks) * SECTOR;
    const toEnd = this.random.oneIn(3);
    const length = toEnd
      ? source.length - start
      : Math.min(blocks * SECTOR - start, this.random.between(1, 40) * SECTOR);
    const pos = this.random.below(250) * SECTOR;
    const covered = Math.ceil(length / SECTOR) * SECTOR;
    if (from === name && pos < start + covered && start < pos + covered) return;
    // The tail of a block must not become visible inside a file.
    if (length % SECTOR !== 0 && pos + length < this.bytes(name).length) return;
    this.note(`clone ${name} ${pos} from ${from} ${start} ${length}`);
    const part = source.slice(start, start + length);
    this.inode(name).reflink(this.inode(from), start, pos, length);
    this.change(name, Math.max(this.bytes(name).length, pos + length)).set(part, pos);
  }

  private contents(name: string): Uint8Array {
    const file = openFile(this.fs, this.fs.root(), `/${name}`, {});
    const bytes = new Uint8Array(file.inode.size);
    file.read(0, bytes);
    file.close();
    return bytes;
  }

  compare(): void {
    for (const name of NAMES) {
      const text = `${this.kind.name}, seed ${seed}: ${name}\n${this.tail()}`;
      assertBytes(this.contents(name), this.bytes(name), text);
    }
  }

  remount(): void {
    this.note('remount');
    for (const name of NAMES) {
      // What could not be written back is known by now, not only when nobody can be told.
      this.attempt('write back', () => this.inode(name).fsync(false));
    }
    this.compare();
    this.fs.unmount();
    const complaints = checkComplaints([this.image], true);
    assert.equal(complaints, [], `${this.kind.name}, seed ${seed}\n${this.tail()}`);
    this.fs = this.mount();
    this.compare();
  }

  end(): void {
    this.remount();
    this.fs.unmount();
  }
}

function noise(random: Random, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  const words = new Uint32Array(bytes.buffer, 0, Math.floor(length / 4));
  for (let i = 0; i < words.length; i++) words[i] = random.below(2 ** 32);
  return bytes;
}

for (const [index, kind] of KINDS.entries()) {
  for (const nearlyFull of [false, true]) {
    test(`${kind.name}${nearlyFull ? ', nearly full' : ''}`, () => {
      const variant = { name: kind.name, args: kind.args.split(' ').filter((word) => word !== ''), bytes: kind.bytes };
      const [image] = makeBtrfs(scratch(true), variant) as [string];
      const run = new Run(new Random(seed + index), image, kind);
      if (nearlyFull) run.fill();
      for (let i = 0; i < rounds(150); i++) run.step();
      run.end();
    });
  }
}

test.run();
