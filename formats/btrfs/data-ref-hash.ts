/** The hash of a reference to file data: the key's offset of an EXTENT_DATA_REF, and the order of inline ones. */
import { crc32c } from '../../core/checksum.ts';
import { writeU64 } from './structure/fields.ts';

const scratch = new Uint8Array(16);
const scratchView = new DataView(scratch.buffer);

/** High and low half of the hash that is the key's offset of an EXTENT_DATA_REF. */
export interface RefHash {
  high: number;
  low: number;
}

/** The hash of (root, inode, offset). Different references may share it: the keyed items then lie side by side. */
export function hashDataRef(root: number, ino: number, offset: number, into: RefHash): RefHash {
  writeU64(scratchView, 0, root);
  const high = ~crc32c(scratch.subarray(0, 8)) >>> 0;
  writeU64(scratchView, 0, ino);
  writeU64(scratchView, 8, offset);
  const low = ~crc32c(scratch) >>> 0;
  into.high = high >>> 1;
  into.low = (((high & 1) << 31) ^ low) >>> 0;
  return into;
}
