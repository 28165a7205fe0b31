/** Checksums waiting for their extents, against an array of sectors. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { PendingCsums } from '../../../formats/btrfs/volumes/pending-csums.ts';
import { announceSeed, Random } from '../../harness/random.ts';

const test = suite('btrfs pending checksums');
const SECTOR = 4096;
const SECTORS = 1500;

test('what is added, replaced, looked up and taken', () => {
  const random = new Random(announceSeed('btrfs-pending-csums'));
  const pending = new PendingCsums(SECTOR, 4);
  const model = new Uint32Array(SECTORS);
  for (let i = 1; i < 3000; i++) {
    const start = random.below(SECTORS);
    const count = Math.min(SECTORS - start, 1 + random.below(random.oneIn(5) ? 600 : 5));
    const part = model.subarray(start, start + count);
    if (random.oneIn(2)) {
      const csums = Uint32Array.from({ length: count }, (_, at) => i * 10_000 + at + 1);
      pending.add(start * SECTOR, new Uint8Array(csums.buffer));
      part.set(csums);
    } else if (part.every((csum) => csum !== 0)) {
      const taken = Buffer.concat(pending.take(start * SECTOR, count * SECTOR));
      assert.ok(taken.equals(Buffer.from(part.slice().buffer)), `take ${start}+${count}`);
      part.fill(0);
    }
    const into = new Uint32Array(count);
    const present = new Uint8Array(count);
    pending.lookup(start * SECTOR, count * SECTOR, new Uint8Array(into.buffer), present);
    for (let at = 0; at < count; at++) assert.is(present[at] === 1 ? into[at] : 0, part[at]);
    assert.is(
      pending.empty,
      model.every((csum) => csum === 0),
    );
  }
  const gap = model.indexOf(0);
  if (gap >= 0) assert.throws(() => pending.take(gap * SECTOR, SECTOR), /not written with checksums/);
});

test.run();
