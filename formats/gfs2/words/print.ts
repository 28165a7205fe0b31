/** print: structures by name or block, in the words and lines of gfs2_edit -p. */
import { says, WordFailure, type WordResult, word } from '../../../core/vfs/word.ts';
import { readFileBytes } from '../file-bytes.ts';
import type { Gfs2Inode } from '../inode.ts';
import { type BlockView, headingOf, viewBlock } from '../inspect/block-view.ts';
import { fieldData, fieldLines, shownFields } from '../inspect/fields.ts';
import type { Gfs2Mount } from '../mount.ts';
import type { ResourceGroup } from '../rgrps.ts';
import { Rgrp, Rindex } from '../structure/rgrp.ts';
import { Quota, StatfsChange } from '../structure/system.ts';
import { mountOf, numberOf } from './mount-of.ts';

/** A structure: where it lies, its fields, what it has behind them. */
interface Printed {
  readonly block: number;
  readonly type: string;
  readonly fields: { readonly [name: string]: string };
  readonly contents: readonly string[];
}

type Print = (mp: Gfs2Mount, operands: readonly string[]) => WordResult<Printed>;

/** Entries of a file that are printed at most: sparse quota files are long. */
const MAX_ENTRIES = 100_000;

const NAMES: Readonly<Record<string, Print>> = {
  sb: (mp) => printed(mp, viewBlock(mp, mp.superBlock)),
  master: (mp) => inode(mp, mp.system.master),
  root: (mp) => inode(mp, mp.iget(mp.sb.root_addr)),
  jindex: (mp) => inode(mp, mp.system.file('jindex')),
  per_node: (mp) => inode(mp, mp.system.file('per_node')),
  inum: (mp) => inode(mp, mp.system.file('inum'), nextNumber),
  statfs: (mp) => inode(mp, mp.system.file('statfs'), statfsLines),
  rindex: (mp) => inode(mp, mp.system.file('rindex'), rindexLines),
  quota: (mp) => inode(mp, mp.system.file('quota'), quotaLines),
  rg: (mp, [index]) => group(mp, index),
};

export const print = word({
  name: 'print',
  alias: 'p',
  operands: `${Object.keys(NAMES).join('|')}|block`,
  about: 'print a structure by its name, or what a block holds',
  help: 'Names and lines are those of gfs2_edit -p; `rg` takes the number of a resource group, a block is given in decimal or as 0x….',
  // The list of open files has the same name, and takes nothing.
  claims: (_context, operands) => operands.length > 0,
  run(context, { operands: [what = '', ...rest] }) {
    const mp = mountOf(context);
    const named = Object.hasOwn(NAMES, what) ? NAMES[what] : undefined;
    if (rest.length > (what === 'rg' ? 1 : 0)) throw context.usage();
    if (named !== undefined) return named(mp, rest);
    const block = numberOf(what);
    if (block === null) throw new WordFailure(`print: ${what}: no structure of this name, and no number`);
    return printed(mp, viewBlock(mp, block));
  },
});

function printed(mp: Gfs2Mount, view: BlockView, more: readonly string[] = []): WordResult<Printed> {
  const { block, type, name, fields } = view;
  const contents = [...view.contents, ...more];
  const title = `Block #${block}    (0x${block.toString(16)}) of ${mp.blocks} (0x${mp.blocks.toString(16)}) (${name})`;
  const lines = [title, ''];
  if (type !== 0) lines.push(`${headingOf(type)}:`, ...fieldLines(fields), ...contents);
  const data: Printed = { block, type: name, fields: fieldData(fields), contents };
  return says(data, lines);
}

function inode(mp: Gfs2Mount, file: Gfs2Inode, more: (mp: Gfs2Mount, file: Gfs2Inode) => string[] = () => []) {
  return printed(mp, viewBlock(mp, file.ino), more(mp, file));
}

function nextNumber(mp: Gfs2Mount, file: Gfs2Inode): string[] {
  const { view, at } = mp.system.stuffed(file, 8);
  const next = view.getBigUint64(at);
  return [`Next inode num = ${next} (0x${next.toString(16)})`];
}

function statfsLines(mp: Gfs2Mount, file: Gfs2Inode): string[] {
  const { view, at } = mp.system.stuffed(file, StatfsChange.size);
  return ['statfs file contents:', ...fieldLines(shownFields(StatfsChange, view, at))];
}

function rindexLines(_mp: Gfs2Mount, file: Gfs2Inode): string[] {
  return entries(file, Rindex, 'RG index entries found', (i) => `RG #${i}`);
}

function quotaLines(_mp: Gfs2Mount, file: Gfs2Inode): string[] {
  return ['quota file contents:', ...entries(file, Quota, 'quota entries found', (i) => `Entry #${i + 1}`)];
}

function entries(
  file: Gfs2Inode,
  layout: typeof Rindex | typeof Quota,
  title: string,
  heading: (index: number) => string,
): string[] {
  const count = Math.min(Math.floor(file.size / layout.size), MAX_ENTRIES);
  const lines = [`${title}: ${count}.`];
  for (let i = 0; i < count; i++) {
    const bytes = readFileBytes(file, i * layout.size, layout.size);
    lines.push(heading(i), ...fieldLines(shownFields(layout as typeof Quota, new DataView(bytes.buffer), 0)));
  }
  return lines;
}

function group(mp: Gfs2Mount, index: string | undefined): WordResult<Printed> {
  const wanted = index === undefined ? null : numberOf(index);
  const found = mp.rgrps.all.find((one: ResourceGroup) => one.index === wanted);
  if (found === undefined)
    throw new WordFailure(`print: rg ${index ?? ''}: the image has resource groups 0 to ${mp.rgrps.all.length - 1}`);
  const fields = shownFields(Rgrp, mp.rgrps.header(found).view, 0);
  const title = `RG #${found.index} located at: ${found.addr} (0x${found.addr.toString(16)})`;
  const data: Printed = { block: found.addr, type: 'resource group', fields: fieldData(fields), contents: [] };
  return says(data, [title, ...fieldLines(fields)]);
}
