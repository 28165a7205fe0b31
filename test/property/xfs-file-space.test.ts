/**
 * Three files under random writes (cached and direct), reflinks, truncates and every mode of fallocate, against byte
 * arrays that do the same in the simplest way; then xfs_repair has nothing to say. In one process, so that thousands
 * of operations fit a test's time.
 */
import * as assert from 'uvu/assert';
import { FsError } from '../../core/errors.ts';
import { File, openFile } from '../../core/vfs/file.ts';
import type { FallocMode } from '../../core/vfs/inode.ts';
import type { XfsFilesystem } from '../../formats/xfs/filesystem.ts';
import { missingJudges, repairComplaints } from '../harness/kernel.ts';
import { announceSeed, Random, rounds } from '../harness/random.ts';
import { gatedSuite } from '../harness/suite.ts';
import { freshImage, openImage } from './xfs-fixture.ts';

const test = gatedSuite('xfs file space', missingJudges());
const seed = announceSeed('xfs-file-space');

const NAMES = ['a', 'b', 'c'];
const MODES: readonly FallocMode[] = ['allocate', 'punch', 'zero', 'unshare', 'collapse', 'insert'];
const OPERATIONS = 250;

/** What a file must hold, by the book of each operation. */
class Model {
  bytes = new Uint8Array(0);

  resize(size: number): void {
    const grown = new Uint8Array(size);
    grown.set(this.bytes.subarray(0, size));
    this.bytes = grown;
  }

  write(pos: number, from: Uint8Array): void {
    if (pos + from.length > this.bytes.length) this.resize(pos + from.length);
    this.bytes.set(from, pos);
  }

  fallocate(mode: FallocMode, pos: number, length: number, keepSize: boolean): void {
    const old = this.bytes;
    const end = pos + length;
    if (mode === 'collapse') this.bytes = Uint8Array.from(Buffer.concat([old.subarray(0, pos), old.subarray(end)]));
    else if (mode === 'insert') {
      this.bytes = new Uint8Array(old.length + length);
      this.bytes.set(old.subarray(0, pos));
      this.bytes.set(old.subarray(pos), end);
    } else {
      if (mode === 'punch' || mode === 'zero') old.fill(0, pos, Math.min(end, old.length));
      if (mode !== 'punch' && !keepSize && end > old.length) this.resize(end);
    }
  }
}

class World {
  readonly files: File[];
  readonly direct: File[];
  readonly models = NAMES.map(() => new Model());
  readonly random: Random;
  readonly blockSize: number;
  readonly span: number;

  constructor(fs: XfsFilesystem, random: Random) {
    this.random = random;
    this.blockSize = fs.blockSize;
    this.span = 40 * fs.blockSize;
    this.files = NAMES.map((name) => openFile(fs, fs.root(), name, { write: true, create: true }));
    this.direct = this.files.map((file) => new File(file.inode, { write: true, direct: true }));
  }

  step(): string {
    const which = this.random.below(NAMES.length);
    const name = NAMES[which] as string;
    const kind = this.random.below(10);
    if (kind < 4) return `${name}: ${this.write(which, kind === 0)}`;
    if (kind < 6) return `${name}: ${this.reflink(which)}`;
    if (kind < 7) return `${name}: ${this.truncate(which)}`;
    if (kind < 8) {
      (this.files[which] as File).fsync(this.random.oneIn(2));
      return `${name}: fsync`;
    }
    return `${name}: ${this.fallocate(which)}`;
  }

  check(story: readonly string[]): void {
    for (const [which, model] of this.models.entries()) {
      const file = this.files[which] as File;
      const context = `seed ${seed}: ${NAMES[which]} after\n${story.join('\n')}`;
      assert.is(file.inode.size, model.bytes.length, `size of ${context}`);
      const found = new Uint8Array(model.bytes.length);
      file.read(0, found);
      assert.is(Buffer.compare(found, model.bytes), 0, `bytes of ${context}`);
    }
  }

  close(): void {
    for (const file of [...this.files, ...this.direct]) file.close();
  }

  private write(which: number, direct: boolean): string {
    const unit = direct ? 512 : 1;
    const pos = Math.floor(this.position() / unit) * unit;
    const bytes = new Uint8Array(Math.ceil(this.length() / unit) * unit).fill(this.random.between(1, 255));
    (direct ? this.direct : this.files)[which]?.write(pos, bytes);
    this.models[which]?.write(pos, bytes);
    return `${direct ? 'direct ' : ''}write ${pos} ${bytes.length}`;
  }

  private truncate(which: number): string {
    const size = this.random.oneIn(6) ? 0 : this.position();
    this.files[which]?.truncate(size);
    this.models[which]?.resize(size);
    return `truncate ${size}`;
  }

  private reflink(which: number): string {
    const from = this.random.below(NAMES.length);
    const source = this.models[from] as Model;
    const target = this.models[which] as Model;
    const whole = this.random.oneIn(6);
    const pos = whole ? 0 : this.aligned(this.position());
    const at = whole ? 0 : this.aligned(this.position());
    const length = whole ? 0 : this.aligned(this.length()) + this.blockSize;
    const words = `reflink ${NAMES[from]} ${pos} ${at} ${length}`;
    return this.attempt(words, () => {
      this.files[which]?.inode.reflink((this.files[from] as File).inode, pos, at, length);
      target.write(at, source.bytes.slice(pos, length === 0 ? undefined : pos + length));
    });
  }

  private fallocate(which: number): string {
    const mode = this.random.pick(MODES);
    const shifts = mode === 'collapse' || mode === 'insert';
    const pos = shifts ? this.aligned(this.position()) : this.position();
    const length = shifts ? this.aligned(this.length()) + this.blockSize : this.length();
    const keep = this.random.oneIn(3);
    return this.attempt(`${mode} ${pos} ${length}${keep ? ' keep size' : ''}`, () => {
      this.files[which]?.inode.fallocate(mode, pos, length, keep);
      this.models[which]?.fallocate(mode, pos, length, keep);
    });
  }

  /** A refusal for its arguments changes nothing; anything else that fails is a fault. */
  private attempt(words: string, work: () => void): string {
    try {
      work();
      return words;
    } catch (error) {
      if (!(error instanceof FsError) || error.code !== 'EINVAL') throw error;
      return `${words} (refused)`;
    }
  }

  private aligned(value: number): number {
    return Math.floor(value / this.blockSize) * this.blockSize;
  }

  private position(): number {
    const at = this.random.below(this.span);
    return this.random.oneIn(2) ? at : this.aligned(at);
  }

  private length(): number {
    return this.random.between(1, this.random.pick([100, this.blockSize, 8 * this.blockSize]));
  }
}

function judge(args: string, random: Random): void {
  const image = freshImage(args);
  const fs = openImage(image, random);
  const world = new World(fs, random);
  const story: string[] = [];
  for (let i = 0; i < OPERATIONS; i++) {
    story.push(world.step());
    if (i % 25 === 24) world.check(story);
  }
  world.close();
  fs.unmount();
  assert.equal(repairComplaints(image), [], `seed ${seed}:\n${story.join('\n')}`);
}

const KINDS = ['', '-b size=1024 -m rmapbt=1 -i nrext64=1', '-b size=16384 -m rmapbt=1'];

for (const [index, args] of KINDS.entries()) {
  for (let round = 0; round < rounds(3); round++) {
    test(`mkfs.xfs ${args || 'by default'}, round ${round + 1}`, () =>
      judge(args, new Random(seed + index * 100 + round)));
  }
}

test.run();
