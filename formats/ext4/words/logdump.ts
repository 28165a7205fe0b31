/** logdump: what lies in the journal, as debugfs's word prints it. */
import { FsError } from '../../../core/errors.ts';
import { decodeName } from '../../../core/vfs/names.ts';
import { says, type WordContext, word } from '../../../core/vfs/word.ts';
import type { Ext4Filesystem } from '../filesystem.ts';
import { entryName, type FastTag, fastCommitTags } from '../journal/fast-commits.ts';
import { journalArea } from '../journal/find.ts';
import { readRevoked, scanJournal } from '../journal/scan.ts';
import { type Journal, openJournal } from '../journal/superblock.ts';
import { type JournalBlock, journalBlocks, type WalkEnd } from '../journal/walk.ts';
import { extentStart } from '../map/extents.ts';
import { Extent, extentLength } from '../structure/extent.ts';
import { FcAddRange, FcDelRange, FcDentry, FcHead, FcInode, FcTag, FcTail } from '../structure/fast-commit.ts';
import { JournalBlockType } from '../structure/journal.ts';

const TYPES: Readonly<Record<number, string>> = {
  [JournalBlockType.DESCRIPTOR]: 'descriptor block',
  [JournalBlockType.COMMIT]: 'commit block',
  [JournalBlockType.REVOKE]: 'revoke table',
};

export const logdump = word({
  name: 'logdump',
  about: 'the transactions in the journal, and the fast commits behind them',
  help: 'Lists what recovery would look at, oldest first. The journal is shown as it is on the image, also after it was replayed in memory.',
  count: [0, 1],
  options: { a: { about: 'every block that is logged or revoked' } },
  run(context, { options }) {
    return list(context, options.a);
  },
});

function* list(context: WordContext, all: boolean) {
  const mp = (context.fs as Ext4Filesystem).found;
  if (!mp.compat('has_journal')) throw new FsError('EINVAL', { detail: 'the file system has no journal' });
  const journal = openJournal(journalArea(mp));
  const { start, sequence } = journal;
  yield says({ journal: { start, sequence } }, [`Journal starts at block ${start}, transaction ${sequence}`]);
  if (start === 0) return;
  const end: WalkEnd = { at: start, found: null, wanted: sequence };
  for (const block of journalBlocks(journal, end))
    yield says({ block: blockData(journal, block) }, blockLines(journal, block, all));
  const { at, found, wanted } = end;
  const why =
    found === null ? `No magic number at block ${at}` : `Found sequence ${found} (not ${wanted}) at block ${at}`;
  yield says({ end: { at, found, wanted } }, [`${why}: end of journal.`]);
  for (const tag of fastCommitTags(journal, scanJournal(journal).end, mp.inodeSize)) {
    const line = tagLine(tag);
    yield says(
      { fastCommit: { tag: tag.tag, block: tag.at, line } },
      tag.tag === FcTag.HEAD ? ['', '*** Fast Commit Area ***', line] : [line],
    );
  }
}

function blockData(journal: Journal, block: JournalBlock) {
  const { type, sequence, at, tags, places } = block;
  const copies = tags.map(({ target, flags }, i) => ({ block: target, at: places[i] as number, flags }));
  return { type: TYPES[type] ?? null, sequence, at, copies, revoked: revokedBy(journal, block) };
}

function revokedBy(journal: Journal, block: JournalBlock): number[] {
  return block.type === JournalBlockType.REVOKE ? [...readRevoked(journal, block)] : [];
}

function blockLines(journal: Journal, block: JournalBlock, all: boolean): string[] {
  const { type, sequence, at, tags, places } = block;
  const lines = [`Found expected sequence ${sequence}, type ${type} (${TYPES[type]}) at block ${at}`];
  if (!all || type === JournalBlockType.COMMIT) return lines;
  const what = type === JournalBlockType.REVOKE ? 'revoke' : 'descriptor';
  lines.push(`Dumping ${what} block, sequence ${sequence}, at block ${at}:`);
  for (const [i, { target, flags }] of tags.entries())
    lines.push(`  FS block ${target} logged at journal block ${places[i]} (flags 0x${flags.toString(16)})`);
  for (const target of revokedBy(journal, block)) lines.push(`  Revoke FS block ${target}`);
  return lines;
}

function tagLine({ tag, value }: FastTag): string {
  if (tag === FcTag.HEAD)
    return `tag HEAD, features 0x${FcHead.get.features(value, 0).toString(16)}, tid ${FcHead.get.tid(value, 0)}`;
  if (tag === FcTag.TAIL) return `tag TAIL, tid ${FcTail.get.tid(value, 0)}`;
  if (tag === FcTag.INODE) return `tag INODE, inode ${FcInode.get.ino(value, 0)}`;
  if (tag === FcTag.ADD_RANGE) {
    const at = FcAddRange.at.ex;
    const place = `lblk ${Extent.get.block(value, at)}, pblk ${extentStart(value, at)}, len ${extentLength(value, at)}`;
    return `tag ADD_RANGE, inode ${FcAddRange.get.ino(value, 0)}, ${place}`;
  }
  if (tag === FcTag.DEL_RANGE) {
    const { ino, lblk, len } = FcDelRange.get;
    return `tag DEL_RANGE, inode ${ino(value, 0)}, lblk ${lblk(value, 0)}, len ${len(value, 0)}`;
  }
  if (tag === FcTag.PAD) return 'tag PAD';
  const what = tag === FcTag.CREAT ? 'CREAT_DENTRY' : tag === FcTag.LINK ? 'ADD_ENTRY' : 'DEL_ENTRY';
  const name = decodeName(entryName(value));
  return `tag ${what}, parent ${FcDentry.get.parent_ino(value, 0)}, ino ${FcDentry.get.ino(value, 0)}, name "${name}"`;
}
