/**
 * Allocating and freeing extents and inodes at random, on the geometries that differ: after each stretch all trees,
 * the free list and the counters must agree; in the end everything is given back, and xfs_repair must be silent.
 */
import * as assert from 'uvu/assert';
import { type AllocMode, allocExtent } from '../../formats/xfs/alloc/alloc.ts';
import { freeExtent } from '../../formats/xfs/alloc/free.ts';
import { allocInode, freeInode } from '../../formats/xfs/alloc/inode-alloc.ts';
import { inobtCursor } from '../../formats/xfs/btree/inode.ts';
import type { XfsMount } from '../../formats/xfs/mount.ts';
import { missingJudges, repairComplaints } from '../harness/kernel.ts';
import { announceSeed, Random, rounds } from '../harness/random.ts';
import { gatedSuite } from '../harness/suite.ts';
import { checkSpace } from './xfs-check.ts';
import { freshImage, openImage } from './xfs-fixture.ts';

const space = gatedSuite('xfs space', missingJudges());
const seed = announceSeed('xfs-space');

interface Piece {
  readonly fsb: number;
  readonly length: number;
  readonly offset: number;
}

/** What the test has allocated, with an owner for the reverse map. */
class Holdings {
  readonly pieces: Piece[] = [];
  private readonly mp: XfsMount;
  private offset = 0;

  constructor(mp: XfsMount) {
    this.mp = mp;
  }

  private owner(offset: number) {
    return { ino: this.mp.rootIno + 1, offset, fork: 'data' as const };
  }

  take(random: Random, mode: AllocMode, longest: number): boolean {
    const { mp } = this;
    const maxLength = random.between(1, longest);
    const minLength = random.oneIn(2) ? 1 : random.between(1, maxLength);
    const alignment = mode !== 'exact' && random.oneIn(8) ? 2 ** random.below(4) : 1;
    const agno = random.below(mp.agCount);
    const target = mp.agbToFsb(agno, random.below(mp.agSize(agno)));
    const owner = this.owner(this.offset);
    const data = random.oneIn(2);
    const request = { mode, target, agno, minLength, maxLength, alignment, data, owner };
    const got = mp.transact('alloc', (tp) => allocExtent(tp, request));
    if (got === null) return false;
    assert.ok(got.length >= minLength && got.length <= maxLength);
    assert.is(mp.fsbToAgbno(got.fsb) % alignment, 0);
    if (mode === 'exact') assert.is(got.fsb, target);
    this.pieces.push({ ...got, offset: this.offset });
    this.offset += got.length + 1;
    return true;
  }

  /** Gives a piece back, sometimes only its middle. */
  give(index: number, random: Random | null): void {
    const piece = this.pieces[index] as Piece;
    this.pieces[index] = this.pieces[this.pieces.length - 1] as Piece;
    this.pieces.pop();
    let from = 0;
    let { length } = piece;
    if (random?.oneIn(4) === true && piece.length > 2) {
      from = random.between(1, piece.length - 2);
      length = random.between(1, piece.length - from - 1);
      this.pieces.push({ ...piece, length: from });
      const rest = from + length;
      this.pieces.push({ fsb: piece.fsb + rest, length: piece.length - rest, offset: piece.offset + rest });
    }
    this.mp.transact('free', (tp) => freeExtent(tp, piece.fsb + from, length, this.owner(piece.offset + from)));
  }

  giveAll(): void {
    while (this.pieces.length > 0) this.give(this.pieces.length - 1, null);
  }
}

const MODES: readonly AllocMode[] = ['start', 'near', 'size', 'exact', 'first'];

function judged(args: string, bytes: number | undefined, use: (mp: XfsMount, random: Random) => void): void {
  const random = new Random(seed);
  const path = freshImage(args, bytes);
  const fs = openImage(path, random);
  const before = fs.mp.space.available;
  use(fs.mp, random);
  assert.equal(checkSpace(fs.mp), []);
  // Chunks that share a block with others stay, as in Linux.
  if (fs.mp.inodesPerBlock <= 64) assert.is(fs.mp.space.available, before, 'all was given back');
  fs.unmount();
  assert.equal(
    repairComplaints(path).filter((line) => !line.includes('V4')),
    [],
  );
}

function extents(mp: XfsMount, random: Random, steps: number, longest: number): void {
  const held = new Holdings(mp);
  for (let i = 0; i < steps; i++) {
    const grow = held.pieces.length === 0 || random.unit() < (i < steps / 2 ? 0.7 : 0.3);
    if (grow) held.take(random, random.pick(MODES), longest);
    else held.give(random.below(held.pieces.length), random);
    if (i % Math.ceil(steps / 6) === 0) assert.equal(checkSpace(mp), []);
  }
  held.giveAll();
}

const GEOMETRIES: readonly (readonly [name: string, args: string, bytes?: number])[] = [
  ['default', ''],
  ['1 KiB blocks with rmap', '-b size=1024 -m rmapbt=1'],
  ['rmap without reflink', '-m rmapbt=1,reflink=0'],
  ['64 KiB blocks', '-b size=65536 -l size=64m', 512 * 2 ** 20],
  ['4 KiB sectors', '-s size=4096 -m rmapbt=1'],
  ['no finobt, no reflink', '-m finobt=0,reflink=0'],
  ['v4', '-m crc=0 -b size=512'],
];

for (const [name, args, bytes] of GEOMETRIES) {
  space(`extents: ${name}`, () => judged(args, bytes, (mp, random) => extents(mp, random, rounds(2500), 40)));
  space(`inodes: ${name}`, () => judged(args, bytes, (mp, random) => inodes(mp, random, rounds(2500))));
}

space('scattered single blocks make high trees', () =>
  judged('-m crc=0 -b size=512', undefined, (mp, random) => extents(mp, random, rounds(25_000), 1)),
);

function inodes(mp: XfsMount, random: Random, steps: number): void {
  const held: number[] = [];
  for (let i = 0; i < steps; i++) {
    if (held.length === 0 || random.unit() < (i < steps / 2 ? 0.85 : 0.2)) {
      const parent = held.length === 0 || random.oneIn(3) ? mp.rootIno : random.pick(held);
      held.push(mp.transact('inode', (tp) => allocInode(tp, parent, random.oneIn(8) ? 0o40755 : 0o100644)));
    } else {
      const index = random.below(held.length);
      const ino = held[index] as number;
      held[index] = held[held.length - 1] as number;
      held.pop();
      mp.transact('ifree', (tp) => freeInode(tp, ino));
    }
    if (i % Math.ceil(steps / 4) === 0) assert.equal(checkSpace(mp), []);
  }
  assert.is(new Set(held).size, held.length, 'no inode twice');
  for (const ino of held) mp.transact('ifree', (tp) => freeInode(tp, ino));
}

space('a full device gives ENOSPC, and sparse chunks in what is left', () =>
  judged('-m rmapbt=1', undefined, (mp, random) => {
    const held = new Holdings(mp);
    while (held.take(random, 'first', 6) || held.take(random, 'start', 1));
    assert.equal(checkSpace(mp), []);
    for (let i = held.pieces.length - 1; i >= 0; i--) if (random.oneIn(4)) held.give(i, null);
    const inos: number[] = [];
    try {
      for (let i = 0; i < 30_000; i++) inos.push(mp.transact('inode', (tp) => allocInode(tp, mp.rootIno, 0o100644)));
    } catch (error) {
      assert.is((error as { code?: string }).code, 'ENOSPC');
    }
    assert.equal(checkSpace(mp), []);
    assert.ok(hasSparse(mp), 'some chunk is sparse');
    for (const ino of inos) mp.transact('ifree', (tp) => freeInode(tp, ino));
    held.giveAll();
  }),
);

function hasSparse(mp: XfsMount): boolean {
  for (let agno = 0; agno < mp.agCount; agno++) {
    const cursor = inobtCursor(mp, agno);
    for (let more = cursor.edge('first'); more; more = cursor.next()) if (cursor.get().holemask !== 0) return true;
  }
  return false;
}

space.run();
