/** Superblocks, AGFs, AGIs and free lists: the first four sectors of each group. */
import type { StructureChange } from '../../../core/vfs/changes.ts';
import { printAll } from '../inspect/field.ts';
import { asBlock, type BlockType, blockType } from '../inspect/types.ts';
import type { XfsMount } from '../mount.ts';
import type { Differing } from './differing.ts';
import { fieldChanges } from './fields.ts';
import { bytesAt, type Pair } from './pair.ts';

const NAMES = ['sb', 'agf', 'agi', 'agfl'] as const;

export function* headerChanges({ was, is }: Pair, blocks: Differing): Generator<StructureChange> {
  const { sectorSize, blockSize } = is;
  for (const [sector, name] of NAMES.entries()) {
    for (let agno = 0; agno < is.agCount; agno++) {
      const addr = is.agbToAddr(agno, 0) + sector * sectorSize;
      if (!blocks.touches(addr, sectorSize, blockSize)) continue;
      const type = blockType(is, name) as BlockType;
      const print = (mp: XfsMount) =>
        printAll(asBlock(mp, type, bytesAt(mp.device, addr, sectorSize)), type.fields ?? []);
      yield* fieldChanges(`${name} ${agno}`, addr, print(was), print(is));
    }
  }
  for (let agno = 0; agno < is.agCount; agno++) blocks.explain(is.agbToAddr(agno, 0), 4 * sectorSize, blockSize);
}
