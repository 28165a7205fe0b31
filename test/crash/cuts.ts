/** The images that a power cut could have left of a recorded script: prefixes of its writes, and subsets between flushes. */
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { RecordedEvent } from '../../core/device/recorder.ts';
import { copyImage } from '../harness/kernel.ts';
import type { Random } from '../harness/random.ts';

/** A cut: which of the recorded writes reached the device, and how far the record had come. */
export interface Cut {
  readonly label: string;
  readonly end: number;
  readonly lost: ReadonlySet<number>;
}

/** All prefixes (or a sample of them), and subsets of the writes since the last flush. */
export function cuts(events: readonly RecordedEvent[], random: Random, prefixes: number, subsets: number): Cut[] {
  const none = new Set<number>();
  const writes = events.flatMap((event, index) => (event.kind === 'write' ? [index] : []));
  const chosen = writes.length <= prefixes ? writes : sample(writes, prefixes, random);
  const out: Cut[] = chosen.map((index) => ({ label: `before write ${index}`, end: index, lost: none }));
  out.push({ label: 'at the end', end: events.length, lost: none });
  for (let i = 0; i < subsets; i++) {
    const end = random.pick(writes) + 1;
    const flush = events.slice(0, end).findLastIndex((event) => event.kind === 'flush');
    const open = writes.filter((index) => index > flush && index < end);
    const lost = new Set(open.filter(() => random.oneIn(random.pick([2, 2, 5]))));
    out.push({ label: `at ${end}, without writes ${[...lost].join(' ')}`, end, lost });
  }
  return out.sort((a, b) => a.end - b.end);
}

function sample<T>(items: readonly T[], count: number, random: Random): T[] {
  const chance = count / items.length;
  return items.filter(() => random.unit() < chance);
}

function applyWrites(image: string, events: readonly RecordedEvent[], from: number, cut: Cut): void {
  const fd = openSync(image, 'r+');
  for (let index = from; index < cut.end; index++) {
    const event = events[index];
    if (event?.kind === 'write' && !cut.lost.has(index)) writeSync(fd, event.bytes, 0, event.bytes.length, event.addr);
  }
  closeSync(fd);
}

/** The bytes that the writes of a cut go over, as writes in reverse. */
function bytesBelow(image: string, events: readonly RecordedEvent[], from: number, cut: Cut): RecordedEvent[] {
  const fd = openSync(image, 'r');
  const below: RecordedEvent[] = [];
  for (let index = from; index < cut.end; index++) {
    const event = events[index];
    if (event?.kind !== 'write' || cut.lost.has(index)) continue;
    const bytes = new Uint8Array(event.bytes.length);
    readSync(fd, bytes, 0, bytes.length, event.addr);
    below.push({ ...event, bytes });
  }
  closeSync(fd);
  return below.reverse();
}

/**
 * Makes the image of each cut, of `image` before the record, and shows it. `dir` holds two copies for it. `look`
 * answers whether it changed what it was shown; if not, its own writes are taken back in place of a new copy.
 */
export function crashes(
  dir: string,
  image: string,
  events: readonly RecordedEvent[],
  list: readonly Cut[],
  look: (crashed: string, cut: Cut) => 'changed' | 'untouched',
): void {
  const settled = copyImage(image, join(dir, 'settled.img'));
  let settledTo = 0;
  let crashed: string | null = null;
  let crashedTo = 0;
  for (const cut of list) {
    // Everything up to the last flush is there in this cut and in all later ones.
    const flush = events.slice(0, cut.end).findLastIndex((event) => event.kind === 'flush') + 1;
    applyWrites(settled, events, settledTo, { ...cut, end: flush, lost: new Set() });
    settledTo = Math.max(settledTo, flush);
    const end = { ...cut, end: settledTo, lost: new Set<number>() };
    if (crashed === null) crashed = copyImage(settled, join(dir, 'crashed.img'));
    else applyWrites(crashed, events, crashedTo, end);
    crashedTo = settledTo;
    const below = bytesBelow(crashed, events, settledTo, cut);
    applyWrites(crashed, events, settledTo, cut);
    if (look(crashed, cut) === 'changed') crashed = null;
    else applyWrites(crashed, below, 0, { ...cut, end: below.length, lost: new Set() });
  }
}
