/** Where fields lead: what xfs_db's `addr` goes to, by the type that is looked at and the field's name. */

/** What the number in a field counts. */
type Unit = 'agblock' | 'fsblock' | 'agino' | 'ino' | 'fileBlock' | 'dirBlock' | 'attrBlock';

export interface Lead {
  readonly unit: Unit;
  /** The type of what is there; `fork` for whatever the current inode's data blocks are. */
  readonly type: string;
}

type Row = readonly [types: RegExp, field: RegExp, unit: Unit, type: string];

const ROWS: readonly Row[] = [
  [/^agf$/, /^bnoroot$/, 'agblock', 'bnobt'],
  [/^agf$/, /^cntroot$/, 'agblock', 'cntbt'],
  [/^agf$/, /^rmaproot$/, 'agblock', 'rmapbt'],
  [/^agf$/, /^refcntroot$/, 'agblock', 'refcntbt'],
  [/^agfl$/, /^bno$/, 'agblock', 'data'],
  [/^agi$/, /^root$/, 'agblock', 'inobt'],
  [/^agi$/, /^free_root$/, 'agblock', 'finobt'],
  [/^agi$/, /^(newino|dirino|unlinked)$/, 'agino', 'inode'],
  [/^sb$/, /^(root|rbm|rsum|[ugp]quot)ino$/, 'ino', 'inode'],
  [/^sb$/, /^logstart$/, 'fsblock', 'data'],
  [/^f?inobt$/, /^(recs|keys)\.startino$/, 'agino', 'inode'],
  [/^(bnobt|cntbt|rmapbt|refcntbt)$/, /^(recs|keys)\.startblock(_hi)?$/, 'agblock', 'data'],
  [/^bmapbtd$/, /^recs\.startblock$/, 'fsblock', 'fork'],
  [/^bmapbtd$/, /^(recs|keys)\.startoff$/, 'fileBlock', 'fork'],
  [/^bmapbta$/, /^recs\.startblock$/, 'fsblock', 'attr'],
  [/^bmapbta$/, /^(recs|keys)\.startoff$/, 'attrBlock', 'attr'],
  [/^inode$/, /^next_unlinked$/, 'agino', 'inode'],
  [/^inode$/, /^u3?\.bmx\.startblock$/, 'fsblock', 'fork'],
  [/^inode$/, /^u3?\.(bmx|bmbt\.keys)\.startoff$/, 'fileBlock', 'fork'],
  [/^inode$/, /^u3?\.bmbt\.ptrs$/, 'fsblock', 'bmapbtd'],
  [/^inode$/, /^a\.bmx\.startblock$/, 'fsblock', 'attr'],
  [/^inode$/, /^a\.(bmx|bmbt\.keys)\.startoff$/, 'attrBlock', 'attr'],
  [/^inode$/, /^a\.bmbt\.ptrs$/, 'fsblock', 'bmapbta'],
  [/^inode$/, /^u3?\.sfdir[23]\..*(parent|inumber)\.i[48]$/, 'ino', 'inode'],
  [/^dir[23]$/, /^[bd]u\.inumber$/, 'ino', 'inode'],
  [/^dir[23]$/, /(\.(forw|back)|^nbtree\.before)$/, 'dirBlock', 'fork'],
  [/^attr3?$/, /(\.(forw|back)|btree\.before|\.valueblk)$/, 'attrBlock', 'attr'],
];

/** Trees whose sibling and child pointers lead to blocks of the same kind. */
const SHORT_TREE = /^(bnobt|cntbt|inobt|finobt|rmapbt|refcntbt)$/;
const LONG_TREE = /^bmapbt[ad]$/;
const LINK = /^(leftsib|rightsib|ptrs)$/;

/** Where the field of this name (indices taken off) leads, or null for one that is no address. */
export function leadOf(type: string, field: string): Lead | null {
  if (LINK.test(field) && SHORT_TREE.test(type)) return { unit: 'agblock', type };
  if (LINK.test(field) && LONG_TREE.test(type)) return { unit: 'fsblock', type };
  const row = ROWS.find(([types, fields]) => types.test(type) && fields.test(field));
  return row === undefined ? null : { unit: row[2], type: row[3] };
}
