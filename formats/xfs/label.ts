/** The file system's label, kept in every superblock (kernel: xfs_ioc_getlabel, xfs_ioc_setlabel). */
import { FsError } from '../../core/errors.ts';
import { decodeToNul, encodeName } from '../../core/vfs/names.ts';
import type { XfsMount } from './mount.ts';
import { Superblock } from './structure/sb.ts';

/** Bytes of a label. */
const LABEL_SIZE = 12;

/** The label, empty if there is none. */
export function readLabel(mp: XfsMount): string {
  const at = Superblock.at.fname;
  return decodeToNul(mp.sbBuf.bytes.subarray(at, at + LABEL_SIZE));
}

/** Sets the label in all superblocks. @throws FsError EINVAL above 12 bytes */
export function writeLabel(mp: XfsMount, label: string): void {
  const bytes = encodeName(label);
  if (bytes.length > LABEL_SIZE || bytes.includes(0)) throw new FsError('EINVAL');
  const field = new Uint8Array(LABEL_SIZE);
  field.set(bytes);
  mp.transact('label', (tp) => {
    for (let agno = 0; agno < mp.agCount; agno++) {
      const buf = agno === 0 ? mp.sbBuf : mp.cache.get(mp.agbToAddr(agno, 0), mp.sectorSize, mp.ops.sb);
      tp.modify(buf, Superblock.at.fname, LABEL_SIZE);
      buf.bytes.set(field, Superblock.at.fname);
    }
  });
}
