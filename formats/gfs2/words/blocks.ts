/** blocktype, blockalloc, blockrg: what is known of a block, as gfs2_edit says it. */
import { says, type Word, type WordContext, WordFailure, word } from '../../../core/vfs/word.ts';
import { viewBlock } from '../inspect/block-view.ts';
import { mountOf, numberOf } from './mount-of.ts';

const STATES = ['Free ', 'Data ', 'Unlnk', 'Meta '];

function blockOf(context: WordContext, operand: string | undefined): number {
  const block = numberOf(operand ?? '');
  if (block === null) throw context.usage();
  return block;
}

export const blockWords = [
  word({
    name: 'blocktype',
    operands: 'block',
    count: [1, 1],
    about: 'what kind of metadata a block holds',
    run(context, { operands: [operand] }) {
      const { block, type, name } = viewBlock(mountOf(context), blockOf(context, operand));
      return says({ block, type, name }, [`${type} (Block ${block} is type ${type}: ${name})`]);
    },
  }),
  word({
    name: 'blockalloc',
    operands: 'block',
    count: [1, 1],
    about: "what a block's two bits say: 0 free, 1 used, 2 unlinked inode, 3 inode",
    run(context, { operands: [operand] }) {
      const block = blockOf(context, operand);
      const state = mountOf(context).rgrps.state(block);
      if (state === null) throw new WordFailure(`blockalloc: no bitmap tells of block ${block}`);
      return says({ block, state }, [`${state} (${STATES[state]})`]);
    },
  }),
  word({
    name: 'blockrg',
    operands: 'block',
    count: [1, 1],
    about: 'where the header of the resource group lies that a block belongs to',
    run(context, { operands: [operand] }) {
      const block = blockOf(context, operand);
      const group = mountOf(context).rgrps.of(block);
      if (group === null) throw new WordFailure(`blockrg: block ${block} belongs to no resource group`);
      return says({ block, rg: group.index, header: group.addr }, [String(group.addr)]);
    },
  }),
] as const satisfies readonly Word[];
