/**
 * As cuts.ts, for the devices of one file system, which share a record: each device comes as far as it comes. What was
 * written to it before its last flush is there; of the rest everything, nothing, a prefix or any part, whatever the
 * others have.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { RecordedEvent } from '../../core/device/recorder.ts';
import { copyImage } from '../harness/kernel.ts';
import type { Random } from '../harness/random.ts';
import type { Cut } from './cuts.ts';

/** `count` moments of the record, at each of them what all devices together could have come to. */
export function memberCuts(events: readonly RecordedEvent[], devices: number, random: Random, count: number): Cut[] {
  const writes = events.flatMap((event, index) => (event.kind === 'write' ? [index] : []));
  // Superblocks are where devices differ: every other moment is one right behind a write to a superblock.
  const supers = writes.filter((index) => {
    const event = events[index];
    return event?.kind === 'write' && event.addr === 0x10000;
  });
  const cuts: Cut[] = [{ label: 'at the end', end: events.length, lost: new Set() }];
  for (let i = 0; i < count; i++) {
    const end = random.pick(i % 2 === 0 && supers.length > 0 ? supers : writes) + 1;
    const open = Array.from({ length: devices }, (_, device) => openWrites(events, end, device));
    const lost = new Set(open.flatMap((some) => lostOf(some, random)));
    const kept = open.map((some) => some.filter((index) => !lost.has(index)).length);
    cuts.push({ label: `at ${end}, of each device ${kept.join(', ')} open writes kept`, end, lost });
  }
  return cuts.sort((a, b) => a.end - b.end);
}

/** Which of a device's open writes are lost: none, all, those behind some moment, or any. */
function lostOf(open: readonly number[], random: Random): readonly number[] {
  const dice = random.below(4);
  if (dice === 0) return [];
  if (dice === 1) return open;
  return dice === 2 ? open.slice(random.below(open.length + 1)) : open.filter(() => random.oneIn(2));
}

/** The writes to a device that no flush of it made durable before `end`. */
function openWrites(events: readonly RecordedEvent[], end: number, device: number): number[] {
  const open: number[] = [];
  for (const [index, event] of events.slice(0, end).entries()) {
    if (event.kind === 'mark' || event.device !== device) continue;
    if (event.kind === 'flush') open.length = 0;
    else open.push(index);
  }
  return open;
}

/** Makes the images of each cut, of `images` before the record, and shows them. */
export function memberCrashes(
  dir: string,
  images: readonly string[],
  events: readonly RecordedEvent[],
  list: readonly Cut[],
  look: (crashed: readonly string[], cut: Cut) => void,
): void {
  for (const cut of list) {
    const crashed = images.map((image, device) => {
      const copy = copyImage(image, join(dir, `crashed.${device}`));
      const fd = openSync(copy, 'r+');
      for (const [index, event] of events.slice(0, cut.end).entries()) {
        if (event.kind !== 'write' || event.device !== device || cut.lost.has(index)) continue;
        writeSync(fd, event.bytes, 0, event.bytes.length, event.addr);
      }
      closeSync(fd);
      return copy;
    });
    look(crashed, cut);
  }
}
