/** What may be shared with what (kernel: generic_remap_file_range_prep, generic_remap_checks). */
import { FsError } from '../../core/errors.ts';
import { MAX_FILE_BYTES } from './extent.ts';
import type { XfsInode } from './inode.ts';
import { checkWritable } from './inode-write.ts';

/** `clone`: all or nothing; `shorten`: as much as whole blocks allow; `dedupe`: likewise, and inside both files. */
export type RemapKind = 'clone' | 'shorten' | 'dedupe';

/** @throws FsError EXDEV, EISDIR, EINVAL, EOPNOTSUPP, EPERM */
export function checkRemapFiles(target: XfsInode, source: XfsInode): void {
  if (source.mp !== target.mp) throw new FsError('EXDEV');
  if (source.kind === 'dir' || target.kind === 'dir') throw new FsError('EISDIR');
  if (source.kind !== 'file' || target.kind !== 'file') throw new FsError('EINVAL');
  if (!target.mp.features.reflink) throw new FsError('EOPNOTSUPP', { detail: 'the image has no reflink' });
  checkWritable(target);
  if (source.realtime || target.realtime) throw new FsError('EINVAL', { detail: 'a file is on the realtime device' });
}

/**
 * The bytes to share: `length` (0 in a clone: to the end of the source), rounded down to whole blocks where the kind
 * allows and the end of the file does not. @throws FsError EINVAL, EFBIG
 */
export function checkRemapRange(
  target: XfsInode,
  source: XfsInode,
  sourcePos: number,
  pos: number,
  length: number,
  kind: RemapKind,
): number {
  const { blockSize } = target.mp;
  if (!(sourcePos >= 0 && pos >= 0 && length >= 0)) throw invalid('negative position or length');
  let count = length;
  if (count === 0) {
    if (kind !== 'clone') return 0;
    if (sourcePos > source.size) throw invalid('the range starts beyond the source file');
    count = source.size - sourcePos;
    if (count === 0) return 0;
  }
  if (sourcePos % blockSize !== 0 || pos % blockSize !== 0) throw invalid(`not a multiple of ${blockSize} bytes`);
  checkInside(target, source, sourcePos, pos, count, kind);
  count = Math.min(count, source.size - sourcePos);
  if (pos + count > MAX_FILE_BYTES || pos + count > Number.MAX_SAFE_INTEGER) throw new FsError('EFBIG');
  const toEof = sourcePos + count === source.size && (kind !== 'dedupe' || pos + count === target.size);
  if (!toEof) count = wholeBlocks(count, blockSize, kind);
  const covered = Math.ceil(count / blockSize) * blockSize;
  const overlap = pos + covered > sourcePos && pos < sourcePos + covered;
  if (source.ino === target.ino && overlap) throw invalid('the ranges overlap');
  // The tail of the source's last block must not become visible inside the target.
  if (pos + count < target.size) count = wholeBlocks(count, blockSize, kind);
  return count;
}

function checkInside(
  target: XfsInode,
  source: XfsInode,
  sourcePos: number,
  pos: number,
  count: number,
  kind: RemapKind,
): void {
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
