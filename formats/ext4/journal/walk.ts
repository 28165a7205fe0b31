/**
 * The blocks of a journal from the first commit that it may hold on: descriptors, revocations and commits, in order, as
 * long as they have the number that they should have. Copies are stepped over.
 */
import { corrupt } from '../../../core/errors.ts';
import { JOURNAL_MAGIC, JournalBlockType, JournalHeader } from '../structure/journal.ts';
import type { Journal } from './superblock.ts';
import { readTags, type Tag } from './tags.ts';

/** A block of the journal that is no copy. */
export interface JournalBlock {
  readonly type: number;
  readonly sequence: number;
  /** Its place in the journal. */
  readonly at: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** The copies that it describes; empty for other blocks. */
  readonly tags: readonly Tag[];
  /** Where each of these copies lies. */
  readonly places: readonly number[];
}

/** The block after one in the ring. */
export function nextBlock(journal: Journal, block: number): number {
  return block + 1 >= journal.last ? block + 1 - (journal.last - journal.first) : block + 1;
}

/** Why a walk ended, for those who show the journal. */
export interface WalkEnd {
  at: number;
  /** The sequence number that was found instead; null: no header at all. */
  found: number | null;
  wanted: number;
}

/** @throws FsError EUCLEAN if it has no end, EIO */
export function* journalBlocks(journal: Journal, end?: WalkEnd): Generator<JournalBlock, void, undefined> {
  let sequence = journal.sequence;
  let at = journal.start;
  // More blocks than the ring has: it runs into itself.
  for (let left = journal.area.blocks; left > 0; left--) {
    const bytes = journal.area.read(at);
    const view = new DataView(bytes.buffer);
    const found = JournalHeader.get.magic(view, 0) === JOURNAL_MAGIC ? JournalHeader.get.sequence(view, 0) : null;
    const type = JournalHeader.get.blocktype(view, 0);
    if (end !== undefined) Object.assign(end, { at, found, wanted: sequence });
    if (found !== sequence) return;
    const block = { type, sequence, at, bytes, view, tags: [] as readonly Tag[], places: [] as number[] };
    at = nextBlock(journal, at);
    if (type === JournalBlockType.DESCRIPTOR) {
      block.tags = readTags(journal, bytes);
      for (let i = 0; i < block.tags.length; i++) {
        block.places.push(at);
        at = nextBlock(journal, at);
      }
      left -= block.tags.length;
    } else if (type === JournalBlockType.COMMIT) sequence = (sequence + 1) >>> 0;
    else if (type !== JournalBlockType.REVOKE) return;
    yield block;
  }
  throw corrupt({ structure: 'journal', addr: journal.area.addr(at), rule: 'it has no end' });
}
