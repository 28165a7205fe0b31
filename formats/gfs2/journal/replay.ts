/**
 * Replaying a journal: from the tail that the newest header names up to that header, descriptors say which blocks the
 * following blocks of the journal are. The first pass collects revokes: what a block held before them must not come
 * back. The second writes the blocks (kernel: gfs2_recover_func, lops.c).
 *
 *     header | METADATA descriptor  block block … | JDATA descriptor  block … | REVOKE descriptor  more … | header
 */
import type { Device } from '../../../core/device/device.ts';
import { corrupt, type FsError } from '../../../core/errors.ts';
import { DescriptorType, LogDescriptor, LogHeader } from '../structure/log.ts';
import { GFS2_MAGIC, META_SIZE, MetaHeader, MetaType, readBlockNumber } from '../structure/meta.ts';
import type { JournalArea } from './area.ts';
import type { Head } from './head.ts';
import { isGoodHeader } from './header.ts';

interface Replay {
  readonly area: JournalArea;
  readonly tail: number;
  /** Where in the journal a block was revoked last. */
  readonly revoked: Map<number, number>;
  readonly target: Device;
}

/** Writes to `target` what the journal says. @throws FsError EUCLEAN damaged, EIO */
export function replayJournal(area: JournalArea, head: Head, target: Device): void {
  const { lh_tail: tail, lh_blkno: end } = head;
  for (const field of ['lh_tail', 'lh_blkno'] as const)
    if (head[field] >= area.blocks)
      throw corrupt({ structure: `newest header of ${area.name}`, field, value: `${head[field]}`, rule: 'not in it' });
  const replay = { area, tail, revoked: new Map<number, number>(), target };
  for (const pass of [collectRevokes, writeBlocks])
    eachDescriptor(area, tail, end, (at, view) => pass(replay, at, view));
}

/** Shows `visit` each descriptor from one block of the journal to another. @throws FsError EUCLEAN */
export function eachDescriptor(
  area: JournalArea,
  start: number,
  end: number,
  visit: (at: number, view: DataView) => void,
): void {
  const block = new Uint8Array(area.file.mp.blockSize);
  const view = new DataView(block.buffer);
  let left = area.blocks;
  for (let at = start; at !== end; ) {
    area.read(at, block);
    const type = MetaHeader.get.mh_magic(view, 0) === GFS2_MAGIC ? MetaHeader.get.mh_type(view, 0) : -1;
    let length = 1;
    if (type === MetaType.LH) {
      if (!isGoodHeader(block) || LogHeader.get.lh_blkno(view, 0) !== at)
        throw damaged(area, at, 'log header', 'checksum or place');
    } else if (type === MetaType.LD) {
      length = LogDescriptor.get.ld_length(view, 0);
      if (length < 1 || length > left) throw damaged(area, at, 'ld_length', `${length} blocks are not there`);
      visit(at, view);
    } else throw damaged(area, at, 'mh_type', 'neither header nor descriptor');
    left -= length;
    if (left < 0) throw damaged(area, at, 'descriptors', 'they go past the newest header');
    at = (at + length) % area.blocks;
  }
}

function damaged(area: JournalArea, at: number, field: string, rule: string): FsError {
  return corrupt({ structure: `block ${at} of ${area.name}`, addr: area.addr(at), field, rule });
}

function collectRevokes({ area, revoked }: Replay, at: number, view: DataView): void {
  const { get, size } = LogDescriptor;
  if (get.ld_type(view, 0) !== DescriptorType.REVOKE) return;
  const { blockSize } = area.file.mp;
  let left = get.ld_data1(view, 0);
  let offset = size;
  let from = view;
  for (let i = get.ld_length(view, 0); i > 0 && left > 0; i--, at = area.after(at)) {
    if (from !== view || offset !== size) {
      from = new DataView(new ArrayBuffer(blockSize));
      area.read(at, new Uint8Array(from.buffer));
      if (from.getUint32(0) !== GFS2_MAGIC || MetaHeader.get.mh_type(from, 0) !== MetaType.LB)
        throw damaged(area, at, 'mh_type', 'no more revokes');
    }
    for (; offset + 8 <= blockSize && left > 0; offset += 8, left--) revoked.set(readBlockNumber(from, offset), at);
    offset = META_SIZE;
  }
  if (left > 0) throw damaged(area, at, 'ld_data1', 'more revokes than blocks for them');
}

function writeBlocks(replay: Replay, at: number, view: DataView): void {
  const { area, target } = replay;
  const { get, size } = LogDescriptor;
  const type = get.ld_type(view, 0);
  if (type !== DescriptorType.METADATA && type !== DescriptorType.JDATA) return;
  const { mp } = area.file;
  const count = get.ld_data1(view, 0);
  // Of journaled data each block's number is followed by whether it begins as metadata does: that is left out there.
  const step = type === DescriptorType.JDATA ? 16 : 8;
  if (size + count * step > mp.blockSize || count > area.blocks)
    throw damaged(area, at, 'ld_data1', `${count} blocks do not fit a descriptor`);
  const bytes = new Uint8Array(mp.blockSize);
  const content = new DataView(bytes.buffer);
  for (let i = 0, where = area.after(at); i < count; i++, where = area.after(where)) {
    const block = readBlockNumber(view, size + i * step);
    if (isRevoked(replay, block, where)) continue;
    if (!mp.validBlock(block) && block !== mp.superBlock)
      throw damaged(area, at, `block ${i}`, `${block} is outside the device`);
    area.read(where, bytes);
    if (type === DescriptorType.JDATA) {
      if (view.getUint32(size + i * step + 8) !== 0 || view.getUint32(size + i * step + 12) !== 0)
        content.setUint32(0, GFS2_MAGIC);
    } else if (content.getUint32(0) !== GFS2_MAGIC) throw damaged(area, where, 'mh_magic', 'no metadata');
    target.write(block * mp.blockSize, bytes);
  }
}

/** True if the block was revoked behind this place in the journal, which may go round its end. */
function isRevoked({ revoked, tail }: Replay, block: number, where: number): boolean {
  const at = revoked.get(block);
  if (at === undefined) return false;
  return at < tail ? tail < where || where < at : tail < where && where < at;
}
