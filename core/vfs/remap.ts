/** Which part of a file may be shared with which part of another, whatever the format (kernel: fs/remap_range.c). */
import { FsError } from '../errors.ts';
import { bufferedRead } from '../iomap/read.ts';
import { crossesGap } from '../positions.ts';
import { fileSizeLimit } from '../size-limit.ts';
import { MAX_POS } from '../units.ts';
import { type Inode, sameInode } from './inode.ts';

/** `clone`: all or nothing; `shorten`: as much as whole blocks allow; `dedupe`: likewise, and inside both files. */
export type RemapKind = 'clone' | 'shorten' | 'dedupe';

/** A question: share `length` bytes of `source` at `sourcePos` with `target` at `pos`. */
export interface RemapRequest {
  readonly target: Inode;
  readonly source: Inode;
  readonly sourcePos: number;
  readonly pos: number;
  /** 0 in a clone: to the end of the source. */
  readonly length: number;
  readonly kind: RemapKind;
}

/**
 * The bytes to share: the length asked for, rounded down to whole blocks where the kind allows and the end of the file
 * does not. @throws FsError EINVAL, EFBIG
 */
export function checkRemapRange(request: RemapRequest, blockSize: number): number {
  const { target, source, sourcePos, pos, length, kind } = request;
  if (!(sourcePos >= 0 && pos >= 0 && length >= 0)) throw invalid('negative position or length');
  let count = length;
  if (count === 0) {
    if (kind !== 'clone') return 0;
    if (sourcePos > source.size) throw invalid('the range starts beyond the source file');
    count = source.size - sourcePos;
    if (count === 0) return 0;
  }
  if (sourcePos + count > MAX_POS || pos + count > MAX_POS) throw invalid('the range ends beyond every file');
  if (sourcePos % blockSize !== 0 || pos % blockSize !== 0) throw invalid(`not a multiple of ${blockSize} bytes`);
  checkInside(request, count);
  const most = fileSizeLimit();
  if (pos >= most) throw new FsError('EFBIG');
  count = Math.min(count, source.size - sourcePos, most - pos);
  // Across a gap between positions both ranges would have to lie alike.
  if (sourcePos !== pos && (crossesGap(sourcePos, count) || crossesGap(pos, count))) throw new FsError('EFBIG');
  const toEof = sourcePos + count === source.size && (kind !== 'dedupe' || pos + count === target.size);
  if (!toEof) count = wholeBlocks(count, blockSize, kind);
  const covered = Math.ceil(count / blockSize) * blockSize;
  const overlap = pos + covered > sourcePos && pos < sourcePos + covered;
  if (overlap && sameInode(source, target)) throw invalid('the ranges overlap');
  // The tail of the source's last block must not become visible inside the target.
  if (pos + count < target.size) count = wholeBlocks(count, blockSize, kind);
  return count;
}

function checkInside({ target, source, sourcePos, pos, kind }: RemapRequest, count: number): void {
  const beyond = sourcePos + count > source.size;
  if (sourcePos >= source.size || (beyond && kind !== 'shorten'))
    throw invalid('the range ends beyond the source file');
  if (kind === 'dedupe' && pos + count > target.size) throw invalid('the range ends beyond the file');
}

function wholeBlocks(count: number, blockSize: number, kind: RemapKind): number {
  if (count % blockSize === 0) return count;
  if (kind === 'clone') throw invalid(`not a multiple of ${blockSize} bytes`);
  return count - (count % blockSize);
}

function invalid(detail: string): FsError {
  return new FsError('EINVAL', { detail });
}

/** What is compared at once of long ranges: so much is read past the cache. */
const COMPARE = 1024 * 1024;

/**
 * True if both files hold the same bytes in ranges of `count` bytes inside both. Linux reads a page of each at a time,
 * up to the first difference; what it read stays cached and shows in seek. @throws FsError EIO
 */
export function sameBytes(source: Inode, sourcePos: number, target: Inode, pos: number, count: number): boolean {
  let done = 0;
  if (target.fs.tracer === null) {
    for (; count - done >= COMPARE; done += COMPARE)
      if (!samePiece(source, sourcePos + done, target, pos + done, COMPARE)) break;
  }
  const { pageSize } = target.pages;
  while (done < count) {
    const left = pageSize - Math.max((sourcePos + done) % pageSize, (pos + done) % pageSize);
    const piece = Math.min(left, count - done);
    if (!samePiece(source, sourcePos + done, target, pos + done, piece)) return false;
    done += piece;
  }
  return true;
}

let buffers: readonly [Uint8Array, Uint8Array] | null = null;

function samePiece(source: Inode, sourcePos: number, target: Inode, pos: number, count: number): boolean {
  buffers ??= [new Uint8Array(COMPARE), new Uint8Array(COMPARE)];
  const a = buffers[0].subarray(0, count);
  const b = buffers[1].subarray(0, count);
  bufferedRead(source, sourcePos, a);
  bufferedRead(target, pos, b);
  return Buffer.compare(a, b) === 0;
}
