/**
 * Random changes of names, attributes and space run in this process on a recorded device. After each of them stands a
 * state: all names with what belongs to them, and the contents that each file may have since it was last made durable.
 */
import { createHash } from 'node:crypto';
import type { RecorderDevice } from '../../core/device/recorder.ts';
import { FsError } from '../../core/errors.ts';
import { bufferedRead } from '../../core/iomap/read.ts';
import { bufferedWrite } from '../../core/iomap/write.ts';
import type { Filesystem } from '../../core/vfs/filesystem.ts';
import type { FallocMode, Inode } from '../../core/vfs/inode.ts';
import { resolve } from '../../core/vfs/path.ts';
import type { NameOp } from '../harness/kernel-names.ts';
import { ourNames } from '../harness/our-names.ts';
import { FileLife } from './model.ts';

/** Everything about names at one moment, in the form of kernelTree() without sizes; and the file behind each path. */
export interface State {
  readonly tree: string;
  readonly files: ReadonlyMap<string, number>;
}

/** From event `from` of the record on, one of `states` is found after a crash, with contents as `lives` has them. */
export interface Outlook {
  readonly from: number;
  readonly step: string;
  readonly states: readonly State[];
  readonly lives: ReadonlyMap<number, FileLife>;
}

const TYPES = {
  dir: 0o40000,
  file: 0o100000,
  symlink: 0o120000,
  fifo: 0o10000,
  char: 0o20000,
  block: 0o60000,
  socket: 0o140000,
};

/** What a tree says of one path, keys in the order of kernelTree(). */
function entryOf(inode: Inode): Record<string, unknown> {
  const stat = inode.stat();
  const entry: Record<string, unknown> = {
    mode: (TYPES[inode.kind] | stat.mode) >>> 0,
    nlink: stat.nlink,
    uid: stat.uid,
    gid: stat.gid,
  };
  if (inode.kind === 'symlink') entry.target = inode.readlink();
  const xattrs = inode.listXattrs().map(({ namespace, name }): [string, string] => {
    const value = inode.getXattr(namespace, name) as Uint8Array;
    return [`${namespace}.${name}`, createHash('sha256').update(value).digest('hex').slice(0, 12)];
  });
  entry.xattrs = Object.fromEntries(xattrs.sort(([a], [b]) => (a < b ? -1 : 1)));
  return entry;
}

/** Brings a tree, ours or Linux's, into one form: text, without what crashes may leave in doubt. */
export function treeText(tree: Record<string, unknown>): string {
  const paths = Object.keys(tree).sort();
  return paths
    .map((path) => {
      const { mode, nlink, uid, gid, target, xattrs } = tree[path] as Record<string, unknown>;
      return JSON.stringify([path, mode, nlink, uid, gid, target ?? null, xattrs]);
    })
    .join('\n');
}

/** Runs the steps, follows the files, and says what a crash may leave. */
export class ChangeRun {
  readonly outlooks: Outlook[] = [];
  private readonly fs: Filesystem;
  /** Whether nothing is left that is not durable, after an fsync. */
  private readonly allDurable: () => boolean;
  private readonly recorder: RecorderDevice;
  private readonly lives = new Map<number, FileLife>();
  /** Numbers of the files that exist, by inode number: an inode number may come again for another file. */
  private readonly known = new Map<number, number>();
  private states: State[] = [];
  private count = 0;

  constructor(fs: Filesystem, recorder: RecorderDevice, allDurable: () => boolean) {
    this.fs = fs;
    this.allDurable = allDurable;
    this.recorder = recorder;
    this.look();
    this.settle(null);
    this.note('the beginning', 0);
  }

  /** One step; an error that Linux would also give is an answer like others. */
  step(op: NameOp): void {
    const from = this.recorder.events.length;
    const text = op.join(' ');
    try {
      change(this.fs, op, (path, contents) => this.between(path, contents));
    } catch (error) {
      if (!(error instanceof FsError) || error.code === 'EUCLEAN')
        throw new Error(`${text}: ${(error as Error).stack}`);
    }
    this.look();
    this.note(`during ${text}`, from);
    if (op[0] !== 'fsync' && op[0] !== 'sync') return;
    // As in Linux, the fsync of a file whose inode did not change makes nothing else durable.
    const all = op[0] === 'sync';
    if (all || this.allDurable()) this.states = this.states.slice(-1);
    this.settle(all ? null : String(op[1]));
    this.note(`after ${text}`, this.recorder.events.length);
  }

  /** The image is left as by an unmount: only the last state may be found. */
  end(): void {
    this.fs.unmount();
    this.states = this.states.slice(-1);
    this.settle(null);
    this.note('the end', this.recorder.events.length);
  }

  /** A step passes through these contents of a file. */
  private between(path: string, contents: Uint8Array): void {
    const id = this.states.at(-1)?.files.get(path);
    if (id !== undefined) this.lives.get(id)?.change(contents);
  }

  private look(): void {
    const tree: Record<string, unknown> = {};
    const files = new Map<string, number>();
    const seen = new Set<number>();
    const visit = (inode: Inode, path: string): void => {
      tree[path] = entryOf(inode);
      if (inode.kind === 'file') {
        files.set(path, this.fileNumber(inode));
        seen.add(inode.ino);
      }
      if (inode.kind !== 'dir') return;
      for (const { name, ino } of inode.entries()) {
        if (name !== '.' && name !== '..') visit(this.fs.iget(ino), path === '' ? name : `${path}/${name}`);
      }
    };
    visit(this.fs.root(), '');
    for (const ino of this.known.keys()) if (!seen.has(ino)) this.known.delete(ino);
    const text = treeText(tree);
    this.states.push({ tree: text, files });
  }

  private fileNumber(inode: Inode): number {
    let id = this.known.get(inode.ino);
    if (id === undefined) {
      id = ++this.count;
      this.known.set(inode.ino, id);
      this.lives.set(id, new FileLife(new Uint8Array(0)));
    }
    const contents = contentsOf(inode);
    const life = this.lives.get(id) as FileLife;
    if (Buffer.compare(life.now as Uint8Array, contents) !== 0) life.change(contents);
    return id;
  }

  /** The contents of the file at `path`, or of all, are durable. */
  private settle(path: string | null): void {
    const last = this.states.at(-1) as State;
    for (const [name, id] of last.files) if (path === null || name === path) this.lives.get(id)?.settle();
  }

  private note(step: string, from: number): void {
    const lives = new Map([...this.lives].map(([id, life]) => [id, life.copy()]));
    this.outlooks.push({ from, step, states: [...this.states], lives });
  }
}

function contentsOf(inode: Inode): Uint8Array {
  const bytes = new Uint8Array(inode.size);
  bufferedRead(inode, 0, bytes);
  return bytes;
}

const FALLOC: Readonly<Record<string, FallocMode>> = {
  falloc: 'allocate',
  fpunch: 'punch',
  fzero: 'zero',
  funshare: 'unshare',
  fcollapse: 'collapse',
  finsert: 'insert',
};

type Between = (path: string, contents: Uint8Array) => void;

function change(fs: Filesystem, op: NameOp, between: Between): void {
  const [word, ...args] = op;
  const path = String(args[0]);
  const numbers = args.map(Number);
  const file = (at: string): Inode => {
    const inode = resolve(fs, fs.root(), at, { follow: false });
    if (inode.kind !== 'file') throw new FsError('EINVAL');
    return inode;
  };
  if (word === 'sync') return fs.sync();
  if (word === 'fsync') return file(path).fsync(false);
  if (word === 'hold') return file(path).acquire();
  const mode = FALLOC[word];
  if (mode !== undefined) {
    const [, pos, length, keep] = numbers as [number, number, number, number];
    passing(contentsOf(file(path)), mode, pos, length, (contents) => between(path, contents));
    return file(path).fallocate(mode, pos, length, keep === 1);
  }
  const other = (): Inode => file(String(args[1]));
  const [, , a, b, c] = numbers as [number, number, number, number, number];
  switch (word) {
    case 'pwrite': {
      const inode = file(path);
      inode.touch();
      bufferedWrite(inode, numbers[1] as number, new Uint8Array(a).fill(b));
      return;
    }
    case 'truncate':
      return file(path).truncate(numbers[1] as number);
    case 'reflink':
      return file(path).reflink(other(), a, b, c);
    case 'dedupe':
      file(path).dedupe(other(), a, b, c);
      return;
    case 'exchangerange':
      return file(path).exchangeRange(a, other(), b, c, { toEof: false, fileOneWritten: false, dryRun: false });
    case 'swapext':
      return file(path).swapExtents(other());
    default: {
      const [answer] = ourNames(fs, [op]);
      if (answer !== 'ok' && !/^E[A-Z0-9]+$/.test(answer as string)) throw new Error(answer);
    }
  }
}

/** What a file holds on the way: a range is zeros before it is cut out, and room is made before it is moved into. */
function passing(
  now: Uint8Array,
  mode: FallocMode,
  pos: number,
  length: number,
  report: (contents: Uint8Array) => void,
) {
  if (mode === 'collapse' || mode === 'zero' || mode === 'punch') report(now.slice().fill(0, pos, pos + length));
  if (mode !== 'insert') return;
  const grown = new Uint8Array(now.length + length);
  grown.set(now);
  report(grown);
}
