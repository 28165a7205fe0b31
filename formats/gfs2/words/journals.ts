/** journals: the journals and whether they are clean; journal N: what one holds between its tail and its newest header. */
import { says, WordFailure, word } from '../../../core/vfs/word.ts';
import { JournalArea } from '../journal/area.ts';
import { findHead } from '../journal/head.ts';
import { eachDescriptor } from '../journal/replay.ts';
import { DescriptorType, LOG_HEAD_UNMOUNT, LogDescriptor } from '../structure/log.ts';
import { readBlockNumber } from '../structure/meta.ts';
import { mountOf, numberOf } from './mount-of.ts';

const TYPES: Readonly<Record<number, string>> = {
  [DescriptorType.METADATA]: 'Metadata',
  [DescriptorType.REVOKE]: 'Revoke',
  [DescriptorType.JDATA]: 'Jdata',
};

export const journals = word({
  name: 'journals',
  count: [0, 0],
  about: 'the journals, and whether they are clean on the image',
  run(context) {
    const mp = mountOf(context);
    const found = mp.onImage.system.journals.map((file, jid) => {
      const head = findHead(new JournalArea(jid, file));
      const state = head === null ? 'empty' : (head.lh_flags & LOG_HEAD_UNMOUNT) !== 0 ? 'clean' : 'dirty';
      return { jid, ino: file.ino, size: file.size, state };
    });
    return says(
      { journals: found },
      found.map(
        ({ jid, ino, size, state }) =>
          `journal${jid}: 0x${ino.toString(16).padEnd(5)} ${Math.floor(size / 2 ** 20)}MB ${state}.`,
      ),
    );
  },
});

export const journal = word({
  name: 'journal',
  operands: 'number',
  count: [1, 1],
  about: 'the descriptors of a journal from its tail to its newest header',
  run(context, { operands: [operand] }) {
    const { onImage } = mountOf(context);
    const jid = numberOf(operand ?? '');
    const file = jid === null ? undefined : onImage.system.journals[jid];
    if (file === undefined || jid === null) throw new WordFailure(`journal: ${operand}: no journal of the image`);
    const area = new JournalArea(jid, file);
    const head = findHead(area);
    const descriptors: { at: number; type: number; length: number; blocks: number[] }[] = [];
    if (head !== null)
      eachDescriptor(area, head.lh_tail, head.lh_blkno, (at, view) => {
        const type = LogDescriptor.get.ld_type(view, 0);
        const step = type === DescriptorType.JDATA ? 16 : 8;
        const most = Math.floor((view.byteLength - LogDescriptor.size) / step);
        const count = Math.min(LogDescriptor.get.ld_data1(view, 0), most);
        const blocks = Array.from({ length: count }, (_, i) => readBlockNumber(view, LogDescriptor.size + i * step));
        descriptors.push({ at, type, length: LogDescriptor.get.ld_length(view, 0), blocks });
      });
    const lines = descriptors.map(({ at, type, length, blocks }) => {
      const place = `0x${(area.addr(at) / onImage.blockSize).toString(16)} (j+${at.toString(16).padStart(4)})`;
      const what = `type ${type} (${TYPES[type] ?? 'Unknown'}) len:${length}, data1: ${blocks.length}`;
      return `${place}: Log descriptor, ${what}: ${blocks.map((block) => `0x${block.toString(16)}`).join(' ')}`;
    });
    const newest =
      head === null ? null : { sequence: Number(head.lh_sequence), tail: head.lh_tail, block: head.lh_blkno };
    if (newest !== null)
      lines.push(
        `newest header: Seq: 0x${newest.sequence.toString(16)}, tail: 0x${newest.tail.toString(16)}, blk: 0x${newest.block.toString(16)}`,
      );
    return says({ jid, newest, descriptors }, lines);
  },
});
