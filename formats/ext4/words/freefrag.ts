/** freefrag: free space by the size of its extents, as e2freefrag prints it. */
import { fixed } from '../../../core/fixed.ts';
import { says, word } from '../../../core/vfs/word.ts';
import { freeExtents } from '../inspect/free-extents.ts';
import type { Ext4Mount } from '../mount.ts';
import { mountOf } from './mount-of.ts';

/** What is larger is counted as the largest. */
const CLASSES = 32;

interface FreeSpace {
  extents: number;
  blocks: number;
  smallest: number;
  largest: number;
  readonly classes: { extents: number; blocks: number }[];
}

export const freefrag = word({
  name: 'freefrag',
  alias: 'e2freefrag',
  about: 'free space by the size of its extents',
  count: [0, 0],
  run(context) {
    const mp = mountOf(context);
    const { classes, ...free } = freeSpace(mp);
    const rows = classes.flatMap((row, i) =>
      row.extents === 0 ? [] : [{ from: (2 ** i / 2) * mp.blockSize, to: 2 ** i * mp.blockSize, ...row }],
    );
    const kib = mp.blockSize / 1024;
    const average = free.extents === 0 ? 0 : Math.floor(free.blocks / free.extents) * kib;
    return says({ blockSize: mp.blockSize, total: mp.blocks, free, classes: rows }, [
      `Blocksize: ${mp.blockSize} bytes`,
      `Total blocks: ${mp.blocks}`,
      `Free blocks: ${free.blocks} (${percent(free.blocks, mp.blocks, 1)}%)`,
      '',
      `Min. free extent: ${free.smallest * kib} KB `,
      `Max. free extent: ${free.largest * kib} KB`,
      `Avg. free extent: ${average} KB`,
      `Num. free extent: ${free.extents}`,
      '',
      'HISTOGRAM OF FREE EXTENT SIZES:',
      'Extent Size Range :  Free extents   Free Blocks  Percent',
      ...rows.map(({ from, to, extents, blocks }) => {
        const unit = Math.max(0, Math.floor((Math.log2(from) - 10) / 10));
        const range = `${sizeText(from, unit)}...${`${sizeText(to, unit)}-`.padStart(7)}`;
        const counts = `${String(extents).padStart(12)}  ${String(blocks).padStart(12)}`;
        return `${range}  :  ${counts}  ${percent(blocks, free.blocks, 2).padStart(6)}%`;
      }),
    ]);
  },
});

function freeSpace(mp: Ext4Mount): FreeSpace {
  const classes = Array.from({ length: CLASSES }, () => ({ extents: 0, blocks: 0 }));
  const free: FreeSpace = { extents: 0, blocks: 0, smallest: 0, largest: 0, classes };
  freeExtents(mp, (_, length) => {
    const row = classes[Math.min(CLASSES - 1, Math.floor(Math.log2(length)) + 1)] as {
      extents: number;
      blocks: number;
    };
    row.extents++;
    row.blocks += length;
    free.smallest = free.extents === 0 ? length : Math.min(free.smallest, length);
    free.largest = Math.max(free.largest, length);
    free.extents++;
    free.blocks += length;
    return true;
  });
  return free;
}

function percent(part: number, whole: number, decimals: number): string {
  return fixed(whole === 0 ? 0 : (part * 100) / whole, decimals);
}

/** A size in five columns, in kibibytes (`unit` 0) or a larger unit. */
function sizeText(bytes: number, unit: number): string {
  return `${String(Math.floor(bytes / 2 ** (10 + 10 * unit))).padStart(5)}${'KMGTPEZY'[unit]}`;
}
