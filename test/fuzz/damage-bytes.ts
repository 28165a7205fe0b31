/** Random damage of a block of metadata. */
import type { Random } from '../harness/random.ts';

/** Changes a few bytes; returns what it did, for the message. `little` is the byte order of the extreme values. */
export function damageBytes(bytes: Uint8Array, random: Random, little: boolean): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  // Headers and first records decide most: half of all damage goes there.
  const span = random.oneIn(2) ? Math.min(bytes.length, 160) : bytes.length;
  const at = random.below(span);
  switch (random.below(6)) {
    case 0:
      bytes[at] = (bytes[at] as number) ^ (1 << random.below(8));
      return `bit flipped in byte ${at}`;
    case 1:
      bytes[at] = random.below(256);
      return `byte ${at}`;
    case 2: {
      const even = Math.min(at, bytes.length - 2);
      view.setUint16(even, random.pick([0, 1, 0x7fff, 0xffff, random.below(0x10000)]), little);
      return `16 bits at ${even}`;
    }
    case 3: {
      const word = Math.min(at, bytes.length - 4);
      view.setUint32(
        word,
        random.pick([0, 1, 0x7fffffff, 0xffffffff, random.below(2 ** 32), random.below(1000)]),
        little,
      );
      return `32 bits at ${word}`;
    }
    case 4: {
      const word = Math.min(at, bytes.length - 8);
      const high = random.pick([0, 0x7fffffff, 0xffffffff, random.below(1 << 22)]);
      const low = random.pick([0, 0xffffffff, random.below(2 ** 32)]);
      view.setUint32(word, little ? low : high, little);
      view.setUint32(word + 4, little ? high : low, little);
      return `64 bits at ${word}`;
    }
    default: {
      const to = random.below(bytes.length);
      const length = Math.min(random.between(2, 64), bytes.length - Math.max(at, to));
      bytes.copyWithin(to, at, at + length);
      return `${length} bytes copied from ${at} to ${to}`;
    }
  }
}
