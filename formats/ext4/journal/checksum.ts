/**
 * Checksums in a journal (kernel: fs/jbd2/recovery.c, commit.c). Versions 2 and 3 have one in every block and tag;
 * version 1 has one over all blocks of a transaction, of the other CRC-32 and with the highest bit first.
 */
import { crc32cRaw } from '../checksum.ts';
import { CommitHeader } from '../structure/journal.ts';
import type { Journal } from './superblock.ts';
import type { Tag } from './tags.ts';

/** Whether a descriptor or revoke block is as it was written. */
export function tailIsGood(journal: Journal, block: Uint8Array): boolean {
  return journal.checksums < 2 || isGoodAt(journal, block, block.length - 4);
}

/** Whether a commit block is; of larger ones it is enough that the structure is, and the rest was not yet written. */
export function commitIsGood(journal: Journal, block: Uint8Array): boolean {
  if (journal.checksums < 2 || isGoodAt(journal, block, CommitHeader.at.chksum)) return true;
  const partial = new Uint8Array(block.length);
  partial.set(block.subarray(0, CommitHeader.size));
  return isGoodAt(journal, partial, CommitHeader.at.chksum);
}

function isGoodAt(journal: Journal, block: Uint8Array, at: number): boolean {
  const view = new DataView(block.buffer, block.byteOffset, block.length);
  const found = view.getUint32(at);
  view.setUint32(at, 0);
  const sum = crc32cRaw(journal.seed, block);
  view.setUint32(at, found);
  return sum === found;
}

const sequenceBytes = new Uint8Array(4);

/** Whether a copy is what its tag was made for. */
export function copyIsGood(journal: Journal, tag: Tag, copy: Uint8Array, sequence: number): boolean {
  if (journal.checksums < 2) return true;
  const sum = copyChecksum(journal, copy, sequence);
  return journal.checksums === 3 ? sum === tag.checksum : (sum & 0xffff) === tag.checksum;
}

/** The checksum of a copy, for its tag. */
export function copyChecksum(journal: Journal, copy: Uint8Array, sequence: number): number {
  new DataView(sequenceBytes.buffer).setUint32(0, sequence);
  return crc32cRaw(crc32cRaw(journal.seed, sequenceBytes), copy);
}

/** What the checksum of a transaction of version 1 begins with. */
export const TRANSACTION_SEED = 0xffffffff;
const POLYNOMIAL = 0x04c11db7;
let table: Uint32Array | null = null;

/** The checksum of a transaction of version 1, after one more block. */
export function transactionChecksum(sum: number, block: Uint8Array): number {
  table ??= makeTable();
  let crc = sum;
  for (let i = 0; i < block.length; i++)
    crc = (crc << 8) ^ (table[((crc >>> 24) ^ (block[i] as number)) & 0xff] as number);
  return crc >>> 0;
}

function makeTable(): Uint32Array {
  return Uint32Array.from({ length: 256 }, (_, byte) => {
    let crc = byte << 24;
    for (let bit = 0; bit < 8; bit++) crc = crc < 0 ? (crc << 1) ^ POLYNOMIAL : crc << 1;
    return crc;
  });
}

/** Whether the checksum in a commit block of version 1 is that of its transaction; older ones have none. */
export function transactionIsGood(commit: DataView, sum: number): boolean {
  const [type, size] = [CommitHeader.get.chksum_type(commit, 0), CommitHeader.get.chksum_size(commit, 0)];
  const found = commit.getUint32(CommitHeader.at.chksum);
  const crc32 = 1;
  return (type === crc32 && size === 4 && found === sum) || (type === 0 && size === 0 && found === 0);
}
