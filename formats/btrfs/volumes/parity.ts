/**
 * raid5 and raid6 rows: rebuilding a lost cell and keeping the parity when cells change (kernel: raid56.c).
 *
 * A row is STRIPE_LEN bytes of each column: data cells, then P, then (raid6) Q. Work is done on the columns' byte
 * range that an access touches, never on more. Like Linux's without a journal, an interrupted change of a row can
 * leave its parity behind its data (the write hole); metadata is never changed in place, so only a cell that was
 * lost as well would show it.
 */
import { FsError } from '../../../core/errors.ts';
import { STRIPE_LEN } from '../structure/chunk.ts';
import type { Chunk } from './chunk.ts';
import { solveFromQ, solveTwo, sumP, sumQ } from './galois.ts';

/**
 * One row's columns between two bytes of the cell, in memory. `cells`: the data cells in order, then P, then Q.
 */
class Row {
  readonly chunk: Chunk;
  readonly number: number;
  /** Byte range inside each cell; widened to multiples of four for the arithmetic. */
  readonly start: number;
  readonly length: number;
  readonly cells: Uint8Array[] = [];

  constructor(chunk: Chunk, number: number, start: number, end: number) {
    this.chunk = chunk;
    this.number = number;
    this.start = start - (start % 4);
    this.length = Math.min(STRIPE_LEN, end + ((4 - (end % 4)) % 4)) - this.start;
    for (let i = 0; i < chunk.stripes.length; i++) this.cells.push(new Uint8Array(this.length));
  }

  get data(): Uint8Array[] {
    return this.cells.slice(0, this.chunk.dataStripes);
  }

  get p(): Uint8Array {
    return this.cells[this.chunk.dataStripes] as Uint8Array;
  }

  get q(): Uint8Array {
    return this.cells[this.chunk.dataStripes + 1] as Uint8Array;
  }

  private stripe(cell: number) {
    return this.chunk.stripes[this.chunk.column(this.number, cell)] as Chunk['stripes'][number];
  }

  private get offset(): number {
    return this.number * STRIPE_LEN + this.start;
  }

  /** Reads a cell; false if its device is missing or fails. */
  load(cell: number): boolean {
    const stripe = this.stripe(cell);
    if (stripe.member.device === null) return false;
    try {
      stripe.member.read(stripe.addr + this.offset, this.cells[cell] as Uint8Array);
      return true;
    } catch (error) {
      if (error instanceof FsError && error.code === 'EIO') return false;
      throw error;
    }
  }

  /** Writes bytes of a cell back, from `from` to `to` inside it; on a missing device parity alone will know them. */
  store(cell: number, from = this.start, to = this.start + this.length): void {
    const stripe = this.stripe(cell);
    if (stripe.member.device === null) return;
    const bytes = (this.cells[cell] as Uint8Array).subarray(from - this.start, to - this.start);
    stripe.member.write(stripe.addr + this.number * STRIPE_LEN + from, bytes);
  }

  devid(cell: number): number {
    return this.stripe(cell).member.devid;
  }
}

/**
 * Rebuilds bytes of data cell `cell` in row `row` from the other cells, as mirror `mirror` (2 and above) of it. From
 * 3 on, one more cell is taken to be bad, so that raid6 finds its way round a cell that is wrong without saying so.
 * @throws FsError EIO naming the devices when too many are gone
 */
export function rebuildCell(
  chunk: Chunk,
  row: number,
  cell: number,
  start: number,
  into: Uint8Array,
  mirror: number,
): void {
  const cells = new Row(chunk, row, start, start + into.length);
  const lost = new Set([cell]);
  if (mirror > 2) lost.add(suspect(chunk, cell, mirror));
  const failed: number[] = [];
  for (let i = 0; i < chunk.stripes.length; i++) {
    if (lost.has(i) || cells.load(i)) continue;
    lost.add(i);
    failed.push(i);
  }
  if (lost.size > chunk.profile.parities) {
    const gone = failed.map((i) => cells.devid(i)).join(', ');
    const detail = `${chunk.profile.name} cannot rebuild device ${cells.devid(cell)}'s bytes`;
    throw new FsError('EIO', { detail: gone === '' ? detail : `${detail} without device ${gone}` });
  }
  solve(cells, lost, cell);
  into.set((cells.cells[cell] as Uint8Array).subarray(start - cells.start, start - cells.start + into.length));
}

/** The cell that mirror 3, 4, … of a raid6 cell does without: P first, then the data cells from the last. */
function suspect(chunk: Chunk, cell: number, mirror: number): number {
  let other = chunk.stripes.length - (mirror - 1);
  if (other <= cell) other--;
  return Math.max(0, other);
}

/** Fills cell `wanted` (a data cell) when the cells `lost`, at most as many as parities, are unknown. */
function solve(row: Row, lost: ReadonlySet<number>, wanted: number): void {
  const dataCount = row.chunk.dataStripes;
  const data = row.data;
  const others = [...lost].filter((cell) => cell !== wanted);
  const other = others[0];
  if (other !== undefined && other < dataCount) {
    solveTwo(data, row.p, row.q, Math.min(wanted, other), Math.max(wanted, other));
  } else if (other === dataCount) {
    solveFromQ(data, row.q, wanted);
  } else {
    const target = data[wanted] as Uint8Array;
    data.push(row.p);
    sumP(data, target, wanted);
  }
}

/** Whether bytes at a logical address are what their checksums say; true where there are none. */
export type Soundness = (bytenr: number, bytes: Uint8Array) => boolean;

/**
 * Writes bytes of a parity chunk from its byte `offset` on, and the parity of every row they touch. A row that is
 * not written whole has its other cells read first, and those that are not `sound` rebuilt: a parity made of wrong
 * bytes would be the end of the right ones.
 */
export function writeRows(chunk: Chunk, offset: number, from: Uint8Array, sound: Soundness): void {
  const rowBytes = chunk.dataStripes * STRIPE_LEN;
  for (let done = 0; done < from.length; ) {
    const at = offset + done;
    const number = Math.floor(at / rowBytes);
    const inRow = at - number * rowBytes;
    const count = Math.min(from.length - done, rowBytes - inRow);
    writeRow(chunk, number, inRow, from.subarray(done, done + count), sound);
    done += count;
  }
}

/** Reads a cell as it should be: from its place, or else rebuilt. */
function loadCell(row: Row, cell: number, sound: Soundness): void {
  const { chunk, number } = row;
  const bytes = row.cells[cell] as Uint8Array;
  const bytenr = chunk.logical + (number * chunk.dataStripes + cell) * STRIPE_LEN + row.start;
  const loaded = row.load(cell);
  if (loaded && (bytenr >= chunk.end || sound(bytenr, bytes))) return;
  const rebuilt = new Uint8Array(bytes.length);
  for (let mirror = 2; mirror <= chunk.mirrors; mirror++) {
    try {
      rebuildCell(chunk, number, cell, row.start, rebuilt, mirror);
    } catch (error) {
      if (!(error instanceof FsError) || error.code !== 'EIO') throw error;
      continue;
    }
    if (bytenr < chunk.end && !sound(bytenr, rebuilt)) continue;
    bytes.set(rebuilt);
    return;
  }
  if (!loaded) throw new FsError('EIO', { detail: `device ${row.devid(cell)} cannot be read` });
}

function writeRow(chunk: Chunk, number: number, inRow: number, from: Uint8Array, sound: Soundness): void {
  const end = inRow + from.length;
  const first = Math.floor(inRow / STRIPE_LEN);
  const last = Math.floor((end - 1) / STRIPE_LEN);
  const single = first === last;
  const row = new Row(
    chunk,
    number,
    single ? inRow % STRIPE_LEN : 0,
    single ? inRow - first * STRIPE_LEN + from.length : STRIPE_LEN,
  );
  const rangeStart = row.start;
  const rangeEnd = row.start + row.length;
  for (let cell = 0; cell < chunk.dataStripes; cell++) {
    const cellStart = cell * STRIPE_LEN;
    const covered = inRow <= cellStart + rangeStart && end >= cellStart + rangeEnd;
    if (!covered) loadCell(row, cell, sound);
    const start = Math.max(inRow, cellStart + rangeStart);
    const stop = Math.min(end, cellStart + rangeEnd);
    if (start < stop) {
      (row.cells[cell] as Uint8Array).set(from.subarray(start - inRow, stop - inRow), start - cellStart - rangeStart);
    }
  }
  sumP(row.data, row.p);
  if (chunk.profile.parities === 2) sumQ(row.data, row.q);
  for (let cell = first; cell <= last; cell++) {
    const cellStart = cell * STRIPE_LEN;
    row.store(cell, Math.max(rangeStart, inRow - cellStart), Math.min(rangeEnd, end - cellStart));
  }
  for (let cell = chunk.dataStripes; cell < chunk.stripes.length; cell++) row.store(cell);
}
