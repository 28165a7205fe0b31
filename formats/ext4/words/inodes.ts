/** imap, testi, icheck, ncheck: debugfs's questions about inodes and their names. */
import type { FsError } from '../../../core/errors.ts';
import { says, WordFailure, word } from '../../../core/vfs/word.ts';
import { scanInodes } from '../inspect/inode-scan.ts';
import { namesOf } from '../inspect/names.ts';
import { ownedBlocks } from '../inspect/owned-blocks.ts';
import { inodeBitmap, isSet } from '../space/bitmaps.ts';
import { inodeOf, mountOf, numberOf } from './mount-of.ts';

const imap = word({
  name: 'imap',
  operands: '[<inode>|path]',
  about: 'where an inode lies',
  count: [0, 1],
  run(context, { operands }) {
    const { mp, ino, base, buf } = inodeOf(context, operands[0]);
    const place = { ino, group: mp.groupOfIno(ino), block: buf.addr / mp.blockSize, offset: base };
    const offset = base.toString(16).padStart(4, '0');
    return says(place, [
      `Inode ${ino} is part of block group ${place.group}`,
      `\tlocated at block ${place.block}, offset 0x${offset}`,
    ]);
  },
});

const testi = word({
  name: 'testi',
  operands: '[<inode>|path]',
  about: 'whether the bitmap says that an inode is in use',
  count: [0, 1],
  run(context, { operands }) {
    const { mp, ino } = inodeOf(context, operands[0]);
    const inUse = isSet(inodeBitmap(mp, mp.groupOfIno(ino)), (ino - 1) % mp.inodesPerGroup);
    return says({ ino, inUse }, [`Inode ${ino} is ${inUse ? 'marked' : 'not'} in use`]);
  },
});

const icheck = word({
  name: 'icheck',
  operands: 'block …',
  about: 'the inodes that blocks belong to',
  help: 'Looks through all inodes, once for all blocks. A block of the format itself has no owner, nor has a free one.',
  *run(context, { operands }) {
    if (operands.length === 0) throw context.usage();
    const blocks = operands.map((operand) => numberOf('icheck', 'block number', operand));
    const owners = new Map<number, number>();
    const damaged = new Damaged();
    scanInodes(
      mountOf(context),
      (ip) => {
        ownedBlocks(ip, (physical, length) => {
          for (const block of blocks)
            if (block >= physical && block < physical + length && !owners.has(block)) owners.set(block, ip.ino);
          return true;
        });
        return blocks.some((block) => !owners.has(block));
      },
      damaged.add,
    );
    const rows = blocks.map((block) => ({ block, ino: owners.get(block) ?? null }));
    const lines = rows.map(({ block, ino }) => `${block}\t${ino ?? '<block not found>'}`);
    yield says({ blocks: rows }, ['Block\tInode number', ...lines]);
    damaged.raise();
  },
});

const ncheck = word({
  name: 'ncheck',
  operands: 'inode …',
  about: 'the paths of inodes',
  help: 'Looks through all directories, once for all inodes, and lists every name that it finds.',
  *run(context, { operands }) {
    if (operands.length === 0) throw context.usage();
    const wanted = operands.map((operand) => numberOf('ncheck', 'inode', operand.replace(/^<(.*)>$/, '$1')));
    const damaged = new Damaged();
    const names = namesOf(mountOf(context), new Set(wanted), damaged.add);
    yield says({ names }, ['Inode\tPathname', ...names.map(({ ino, path }) => `${ino}\t${path}`)]);
    damaged.raise();
  },
});

/** Inodes that could not be looked at: what was found is told first. */
class Damaged {
  private readonly complaints: string[] = [];
  readonly add = (ino: number, error: FsError): void => {
    this.complaints.push(`inode ${ino}: ${error.message}`);
  };

  /** @throws WordFailure if there are any */
  raise(): void {
    if (this.complaints.length > 0) throw new WordFailure(this.complaints.join('\n'));
  }
}

export const inodeWords = [imap, testi, icheck, ncheck] as const;
