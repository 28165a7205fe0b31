/** The blocks of a journal, wherever they lie: in the blocks of an inode, or on a device of their own. */
import type { Device } from '../../../core/device/device.ts';
import { corrupt } from '../../../core/errors.ts';

export class JournalArea {
  readonly device: Device;
  readonly blockSize: number;
  /** How many blocks there are. */
  readonly blocks: number;
  /** The block that the superblock is in. */
  readonly superBlock: number;
  private readonly place: (block: number) => number;

  /** `place` tells the device byte address of a block, or -1 where there is none. */
  constructor(device: Device, blockSize: number, blocks: number, superBlock: number, place: (block: number) => number) {
    this.device = device;
    this.blockSize = blockSize;
    this.blocks = blocks;
    this.superBlock = superBlock;
    this.place = place;
  }

  /** The device byte address of a block. @throws FsError EUCLEAN if the journal has none of this number */
  addr(block: number): number {
    const addr = block < this.blocks ? this.place(block) : -1;
    if (addr >= 0) return addr;
    throw corrupt({ structure: 'journal', field: 'block', value: String(block), rule: 'there is no such block' });
  }

  /** The bytes of a block, the caller's own. @throws FsError EUCLEAN, EIO */
  read(block: number): Uint8Array {
    const bytes = new Uint8Array(this.blockSize);
    this.device.read(this.addr(block), bytes);
    return bytes;
  }
}
