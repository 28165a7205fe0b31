/**
 * The first look at a journal that must be replayed: which transactions are whole (kernel: fs/jbd2/recovery.c, PASS_SCAN
 * and PASS_REVOKE). What is damaged is either the transaction that the crash cut short, or a block that an older round
 * through the journal left, which commit times tell, or damage, which nobody may replay.
 */
import { corrupt } from '../../../core/errors.ts';
import { CommitHeader, JournalBlockType, RevokeHeader } from '../structure/journal.ts';
import { commitIsGood, TRANSACTION_SEED, tailIsGood, transactionChecksum, transactionIsGood } from './checksum.ts';
import type { Journal } from './superblock.ts';
import { tailSize } from './tags.ts';
import { type JournalBlock, journalBlocks } from './walk.ts';

/** What a journal holds. */
export interface JournalScan {
  /** The first transaction that is not whole: those before are to be replayed. */
  readonly end: number;
  /** For blocks that were freed, the last transaction that says so: copies up to it are not to be replayed. */
  readonly revoked: ReadonlyMap<number, number>;
}

/** True if `a` comes after `b`: the numbers go round. */
export function isLater(a: number, b: number): boolean {
  return ((a - b) | 0) > 0;
}

/** Looks for the end of a journal and for what it revokes. @throws FsError EUCLEAN, EIO */
export function scanJournal(journal: Journal): JournalScan {
  const end = findEnd(journal);
  const revoked = new Map<number, number>();
  for (const block of journalBlocks(journal)) {
    if (!isLater(end, block.sequence)) break;
    if (block.type === JournalBlockType.DESCRIPTOR && !tailIsGood(journal, block.bytes)) throw damaged(journal, block);
    if (block.type === JournalBlockType.REVOKE) noteRevoked(journal, block, revoked);
  }
  return { end, revoked };
}

function findEnd(journal: Journal): number {
  let sequence = journal.sequence;
  let doubtful: JournalBlock | null = null;
  let lastCommit = 0;
  let sum = TRANSACTION_SEED;
  let failed: number | null = null;
  for (const block of journalBlocks(journal)) {
    sequence = block.sequence;
    if (block.type !== JournalBlockType.COMMIT) {
      if (!tailIsGood(journal, block.bytes)) doubtful ??= block;
      if (journal.checksums === 1 && doubtful === null && failed === null) sum = sumOf(journal, block, sum);
      continue;
    }
    const time = CommitHeader.get.commit_sec(block.view, 0);
    if (doubtful !== null) {
      if (time >= lastCommit) throw damaged(journal, doubtful);
      return sequence;
    }
    // Of asynchronous commits the last may not be whole, but none behind which another one lies.
    if (journal.checksums === 1 && failed !== null) throw damaged(journal, block);
    const good = journal.checksums === 1 ? transactionIsGood(block.view, sum) : commitIsGood(journal, block.bytes);
    sum = TRANSACTION_SEED;
    if (!good) {
      if (time < lastCommit) return failed ?? sequence;
      // A commit block is written when all else is there.
      if (!journal.asyncCommit) throw damaged(journal, block);
      failed ??= sequence;
    }
    lastCommit = time;
    sequence = (sequence + 1) >>> 0;
  }
  return failed ?? sequence;
}

function sumOf(journal: Journal, block: JournalBlock, before: number): number {
  if (block.type !== JournalBlockType.DESCRIPTOR) return before;
  let sum = transactionChecksum(before, block.bytes);
  for (const place of block.places) sum = transactionChecksum(sum, journal.area.read(place));
  return sum;
}

function noteRevoked(journal: Journal, block: JournalBlock, revoked: Map<number, number>): void {
  for (const target of readRevoked(journal, block)) {
    const known = revoked.get(target);
    if (known === undefined || isLater(block.sequence, known)) revoked.set(target, block.sequence);
  }
}

/** The blocks that a revoke block names. @throws FsError EUCLEAN */
export function* readRevoked(journal: Journal, block: JournalBlock): Generator<number, void, undefined> {
  const { view } = block;
  const count = RevokeHeader.get.count(view, 0);
  if (count > view.byteLength - tailSize(journal))
    throw corrupt({
      structure: 'journal revoke block',
      addr: journal.area.addr(block.at),
      offset: RevokeHeader.at.count,
      field: 'count',
      value: String(count),
      rule: 'is more than the block holds',
    });
  const size = journal.wide ? 8 : 4;
  for (let at = RevokeHeader.size; at + size <= count; at += size)
    yield journal.wide ? view.getUint32(at) * 0x1_0000_0000 + view.getUint32(at + 4) : view.getUint32(at);
}

const NAMES: Readonly<Record<number, string>> = { 1: 'descriptor', 2: 'commit', 5: 'revoke' };

function damaged(journal: Journal, block: JournalBlock): Error {
  const structure = `journal ${NAMES[block.type]} block of transaction ${block.sequence}`;
  return corrupt({ structure, addr: journal.area.addr(block.at), rule: 'checksum' });
}
