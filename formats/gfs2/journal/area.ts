/** The blocks of a journal: a file without holes, whose blocks follow one another nearly always. */
import { corrupt } from '../../../core/errors.ts';
import type { Gfs2Inode } from '../inode.ts';
import { MetaPath } from '../map/path.ts';

const MIN_SIZE = 8 << 20;
const MAX_SIZE = 1 << 30;

interface Extent {
  /** Block of the journal. */
  readonly start: number;
  /** Block of the device. */
  readonly block: number;
  readonly count: number;
}

export class JournalArea {
  readonly jid: number;
  readonly file: Gfs2Inode;
  readonly blocks: number;
  readonly extents: readonly Extent[];

  /** @throws FsError EUCLEAN if it cannot be a journal, EIO */
  constructor(jid: number, file: Gfs2Inode) {
    this.jid = jid;
    this.file = file;
    const { size, mp } = file;
    if (size < MIN_SIZE || size > MAX_SIZE || size % mp.blockSize !== 0)
      throw corrupt({ structure: this.name, field: 'di_size', value: `${size}`, rule: 'no size of a journal' });
    this.blocks = size / mp.blockSize;
    this.extents = extentsOf(this);
  }

  get name(): string {
    return `journal ${this.jid}`;
  }

  /** The block behind this one; behind the last comes the first. */
  after(block: number): number {
    return block + 1 === this.blocks ? 0 : block + 1;
  }

  /** Device byte address of a block of the journal. */
  addr(block: number): number {
    const { extents } = this;
    let low = 0;
    let high = extents.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((extents[middle] as Extent).start <= block) low = middle + 1;
      else high = middle;
    }
    const { start, block: first } = extents[low - 1] as Extent;
    return (first + block - start) * this.file.mp.blockSize;
  }

  /** Fills `into`, one block, from a block of the journal. @throws FsError EIO */
  read(block: number, into: Uint8Array): void {
    this.file.mp.device.read(this.addr(block), into);
  }
}

function extentsOf({ file, blocks, name }: JournalArea): Extent[] {
  const { blockSize } = file.mp;
  const path = new MetaPath();
  const found: Extent[] = [];
  for (let start = 0; start < blocks; ) {
    const there = path.lookup(file, start * blockSize) && path.levels === path.height;
    const block = there ? path.pointer(file) : 0;
    if (block === 0) throw corrupt({ structure: name, field: `block ${start}`, rule: 'a hole' });
    const count = path.extentLength(file);
    const before = found.at(-1);
    if (before !== undefined && before.block + before.count === block)
      found[found.length - 1] = { ...before, count: before.count + count };
    else found.push({ start, block, count });
    start += count;
  }
  return found;
}
