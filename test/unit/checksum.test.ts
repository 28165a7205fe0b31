/** CRC-32C before and after the library is loaded, against the library and the published check value. */
import { crc32c as library } from '@node-rs/crc32';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { crc32c, crc32cSkipping } from '../../core/checksum.ts';

test('both ways give the library its numbers, from any seed', () => {
  assert.is(crc32c(Buffer.from('123456789')), 0xe3069283);
  const bytes = Uint8Array.from({ length: 4096 }, (_, i) => (i * 73) ^ (i >> 3));
  // 64 of these are more than the first blocks of an image.
  for (let round = 0; round < 64; round++) {
    const piece = bytes.subarray(round, bytes.length - 7 * round);
    assert.is(crc32c(piece), library(piece), `round ${round}`);
    assert.is(crc32c(piece, 0x1234_5678 + round), library(piece, 0x1234_5678 + round), `seeded, round ${round}`);
  }
  for (let length = 0; length < 200; length++) {
    const piece = bytes.subarray(11, 11 + length);
    assert.is(crc32c(piece, length), library(piece, length), `${length} bytes, when the library is loaded`);
  }
  const without = bytes.slice();
  without.fill(0, 100, 104);
  assert.is(crc32cSkipping(bytes, 100), library(without));
});

test.run();
