/**
 * The tags of a descriptor block: which block of the file system each of the copies behind it is of.
 *
 *     v3        blocknr:4 flags:4 blocknr_high:4 checksum:4          each followed by a uuid of 16 bytes,
 *     others    blocknr:4 checksum:2 flags:2 [blocknr_high:4]        unless SAME_UUID is set
 */
import { BLOCK_TAIL, JournalHeader, TagFlag } from '../structure/journal.ts';
import type { Journal } from './superblock.ts';

/** One copy. */
export interface Tag {
  /** Block number in the file system. */
  readonly target: number;
  readonly flags: number;
  /** Of version 2 its lower half; 0 where the journal has none. */
  readonly checksum: number;
}

const UUID_SIZE = 16;

/** Bytes of a tag without its uuid. A tag of version 2 is counted two bytes longer than what it holds. */
export function tagSize(journal: Journal): number {
  if (journal.checksums === 3) return 16;
  return 8 + (journal.checksums === 2 ? 2 : 0) + (journal.wide ? 4 : 0);
}

/** Bytes at the end of descriptor and revoke blocks that are no content. */
export function tailSize(journal: Journal): number {
  return journal.checksums >= 2 ? BLOCK_TAIL : 0;
}

/** The tags of a descriptor block, in the order of the copies. */
export function readTags(journal: Journal, block: Uint8Array): Tag[] {
  const view = new DataView(block.buffer, block.byteOffset, block.length);
  const size = tagSize(journal);
  const end = block.length - tailSize(journal);
  const tags: Tag[] = [];
  for (let at = JournalHeader.size; at + size <= end; ) {
    const flags = view.getUint16(at + 6);
    const high = journal.wide ? view.getUint32(at + 8) : 0;
    const checksum =
      journal.checksums === 3 ? view.getUint32(at + 12) : journal.checksums === 2 ? view.getUint16(at + 4) : 0;
    tags.push({ target: high * 0x1_0000_0000 + view.getUint32(at), flags, checksum });
    if ((flags & TagFlag.LAST_TAG) !== 0) break;
    at += size + ((flags & TagFlag.SAME_UUID) === 0 ? UUID_SIZE : 0);
  }
  return tags;
}
