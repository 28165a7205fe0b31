import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { writeFiemap } from '../../../commands/fiemap-lines.ts';
import { randomSequence } from '../../../commands/random.ts';
import { ExtentColumns } from '../../../core/iomap/extent-columns.ts';

type Extent = readonly [start: number, block: number, sectors: number, flags: number];

/** The table as the words of io/fiemap.c would print it, for extents without holes between them. */
function table(extents: readonly Extent[]): string {
  const texts = extents.map(([start, block, sectors, flags]) => ({
    file: `[${start}..${start + sectors - 1}]:`,
    place: `${block}..${block + sectors - 1}`,
    total: String(sectors),
    flags: `0x${flags.toString(16)}`,
  }));
  const batch = texts.slice(0, 32);
  const widest = (least: number, lengths: number[]) => Math.max(least, ...lengths);
  const file = widest(
    16,
    batch.map((text) => text.file.length - 1),
  );
  const place = widest(
    16,
    batch.map((text) => text.place.length),
  );
  const total = widest(
    5,
    batch.map((text) => text.total.length),
  );
  const flags = widest(
    5,
    batch.map((text) => text.flags.length - 2),
  );
  const row = (first: string, a: string, b: string, c: string, d: string) =>
    `${first} ${a.padEnd(file)} ${b.padEnd(place)} ${c.padStart(total)} ${d.padStart(flags)}\n`;
  return texts.reduce(
    (text, line, i) => text + row(`${String(i).padStart(4)}:`, line.file, line.place, line.total, line.flags),
    row(' EXT:', 'FILE-OFFSET', 'BLOCK-RANGE', 'TOTAL', 'FLAGS'),
  );
}

function printed(extents: readonly Extent[]): string {
  const told: Buffer[] = [];
  const out = {
    closed: false,
    write: (text: string) => void told.push(Buffer.from(text)),
    bytes: (data: Uint8Array) => void told.push(Buffer.from(data)),
    flush() {},
  };
  const end = extents.reduce((sum, [, , sectors]) => sum + sectors * 512, 0);
  const range = { verbose: true, lengths: false, start: 0, end: 2 ** 53 - 1, most: -1, size: end };
  writeFiemap(
    range,
    (visit) => {
      const columns = new ExtentColumns();
      for (const [start, block, sectors, flags] of extents) {
        columns.push(start * 512, block * 512, sectors * 512, flags);
        if (columns.room > 0) continue;
        visit(columns, columns.count);
        columns.count = 0;
      }
      visit(columns, columns.count);
    },
    out,
  );
  return Buffer.concat(told).toString();
}

test('rows made from the row before are those written anew, over every change of digits', () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  console.log(`seed ${seed}`);
  const random = randomSequence(seed);
  // Runs of one kind: alike, growing, jumping about.
  const extents: Extent[] = [];
  let start = 0;
  let block = 8;
  while (extents.length < 30_000) {
    const first = extents.length === 0;
    const kind = first ? 0 : random() % 3;
    for (let left = first ? 11_000 : 1 + (random() % 300); left > 0; left--) {
      const sectors = kind === 0 ? 8 : 8 * (1 + (random() % (kind === 1 ? 3 : 200)));
      if (kind === 2) block = random() % (random() % 2 === 0 ? 1000 : 900_000_000);
      extents.push([start, block, sectors, [0, 0x800, 0x2000][random() % (kind + 1)] as number]);
      start += sectors;
      block += sectors;
    }
    // Just before a number with one digit more.
    if (random() % 4 === 0) block = 10 ** (2 + (random() % 7)) - 40;
  }
  // Line by line: a difference of megabytes helps nobody.
  const [got, wanted] = [printed(extents).split('\n'), table(extents).split('\n')];
  for (let i = 0; i < wanted.length; i++) assert.is(got[i], wanted[i], `line ${i}`);
  assert.is(got.length, wanted.length);
});

test.run();
