/** A picture of space: bands of segments, before anybody draws them. */

/** What a segment is; the letter that stands for it, and its colour where there are colours. */
export const KINDS = {
  hole: { letter: '.', color: 'gray', svg: '#eeeeee', about: 'hole' },
  data: { letter: '#', color: 'green', svg: '#4c9f70', about: 'data' },
  unwritten: { letter: '~', color: 'yellow', svg: '#e3c567', about: 'unwritten' },
  shared: { letter: 'S', color: 'magenta', svg: '#b0578d', about: 'shared' },
  delayed: { letter: 'd', color: 'blue', svg: '#7fa8d1', about: 'not allocated yet' },
  compressed: { letter: 'c', color: 'cyan', svg: '#3aa6a6', about: 'compressed' },
  inline: { letter: 'i', color: 'white', svg: '#8a8a8a', about: 'inline in metadata' },
  free: { letter: '.', color: 'gray', svg: '#eeeeee', about: 'free' },
  metadata: { letter: 'm', color: 'red', svg: '#c8553d', about: 'metadata' },
  inodes: { letter: 'o', color: 'cyan', svg: '#5b8e9c', about: 'inodes' },
  log: { letter: 'L', color: 'blue', svg: '#44639f', about: 'log' },
  prealloc: { letter: '~', color: 'yellow', svg: '#e3c567', about: 'unwritten' },
  staged: { letter: 'w', color: 'yellow', svg: '#d98f3c', about: 'staged for copy on write' },
  unknown: { letter: '?', color: 'white', svg: '#b9b9b9', about: 'used' },
  elsewhere: { letter: ' ', color: 'gray', svg: '#ffffff', about: 'not this file' },
} as const;

export type Kind = keyof typeof KINDS;

/** Bytes from the start of the band's range. */
export interface Segment {
  /** Bytes, where its band is in. */
  readonly start: number;
  readonly length: number;
  /** What is there. */
  readonly kind: Kind;
  /** What else there is to say of it. */
  readonly note: string;
}

export interface Band {
  readonly name: string;
  /** The range that the band draws, bytes. */
  readonly start: number;
  readonly length: number;
  /** By rising start; what lies between is `gap`. */
  readonly segments: readonly Segment[];
  readonly gap: Kind;
}

export interface MapModel {
  readonly title: string;
  readonly bands: readonly Band[];
}

/** How many bytes, and how many segments, of each kind a band has. */
export function totals(band: Band): Map<Kind, { bytes: number; count: number }> {
  const found = new Map<Kind, { bytes: number; count: number }>();
  for (const { kind, length } of band.segments) {
    const total = found.get(kind) ?? { bytes: 0, count: 0 };
    total.bytes += length;
    total.count++;
    found.set(kind, total);
  }
  return found;
}

/**
 * The kind that each of `cells` equal parts of [start, start + length) shows: the one with the most bytes in it, but
 * never a gap where there is anything.
 */
export function cellKinds(band: Band, start: number, length: number, cells: number): Kind[] {
  const kinds: Kind[] = new Array(cells).fill(band.gap);
  const best = new Float64Array(cells);
  const size = length / cells;
  for (let i = indexFrom(band.segments, start); i < band.segments.length; i++) {
    const segment = band.segments[i] as Segment;
    if (segment.start >= start + length) break;
    if (segment.kind === band.gap) continue;
    const from = Math.max(0, Math.floor((segment.start - start) / size));
    const to = Math.min(cells - 1, Math.floor((segment.start + segment.length - 1 - start) / size));
    for (let cell = from; cell <= to; cell++) {
      const low = Math.max(segment.start, start + cell * size);
      const high = Math.min(segment.start + segment.length, start + (cell + 1) * size);
      if (high - low <= (best[cell] as number)) continue;
      best[cell] = high - low;
      kinds[cell] = segment.kind;
    }
  }
  return kinds;
}

/** First and last byte of a range, every digit of them. */
export function spanText(start: number, length: number): string {
  if (start + length <= Number.MAX_SAFE_INTEGER) return `${start}..${start + length - 1}`;
  return `${BigInt(start)}..${BigInt(start) + BigInt(length) - 1n}`;
}

/** The segments that touch [start, start + length), at most `limit`. */
export function segmentsIn(band: Band, start: number, length: number, limit: number): Segment[] {
  const found: Segment[] = [];
  for (let i = indexFrom(band.segments, start); i < band.segments.length && found.length < limit; i++) {
    const segment = band.segments[i] as Segment;
    if (segment.start >= start + length) break;
    found.push(segment);
  }
  return found;
}

/** Index of the first segment that ends behind `pos`. */
function indexFrom(segments: readonly Segment[], pos: number): number {
  let low = 0;
  let high = segments.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const { start, length } = segments[middle] as Segment;
    if (start + length <= pos) low = middle + 1;
    else high = middle;
  }
  return low;
}
