/** What all verifiers share: building a Damage, checksums, the identity fields of v5 blocks, and sealing. */
import type { Buf } from '../../../core/buffer-cache.ts';
import { crc32cSkipping } from '../../../core/checksum.ts';
import { type Damage, FsError } from '../../../core/errors.ts';
import type { XfsMount } from '../mount.ts';

/** A damage of `buf`: the field at `offset` has `value` and breaks `rule`. */
export function fault(
  buf: Buf,
  structure: string,
  field: string,
  offset: number,
  value: number | string,
  rule: string,
): Damage {
  return { structure, addr: buf.addr, offset, field, value: String(value), rule };
}

/** The byte offsets of the identity fields of a v5 block. */
export interface IdentityAt {
  readonly crc: number;
  readonly uuid: number;
  readonly blkno?: number;
  readonly lsn?: number;
}

/** Checksum, then file-system uuid, own address, and the log position it was last changed at. Null if all agree. */
export function checkIdentity(buf: Buf, structure: string, at: IdentityAt, mp: XfsMount): Damage | null {
  const { uuid } = mp;
  const stored = buf.view.getUint32(at.crc, true);
  const computed = crc32cSkipping(buf.bytes, at.crc);
  if (stored !== computed) return fault(buf, structure, 'crc', at.crc, hex(stored), `crc, computed ${hex(computed)}`);
  for (let i = 0; i < 16; i++) {
    if (buf.bytes[at.uuid + i] !== uuid[i]) {
      const found = Buffer.from(buf.bytes.subarray(at.uuid, at.uuid + 16)).toString('hex');
      return fault(buf, structure, 'uuid', at.uuid, found, 'uuid of another file system');
    }
  }
  if (at.blkno !== undefined) {
    const sector = buf.view.getUint32(at.blkno) * 0x1_0000_0000 + buf.view.getUint32(at.blkno + 4);
    if (sector * 512 !== buf.addr)
      return fault(buf, structure, 'blkno', at.blkno, sector, `own address is ${buf.addr / 512}`);
  }
  return at.lsn === undefined ? null : checkLsn(buf, structure, at.lsn, mp);
}

/** NULLCOMMITLSN: what no transaction has stamped yet. */
const NO_LSN = 0xffffffff;

/** The field at `at` must be a position that the log has reached; else recovery would pass the block over as newer. */
export function checkLsn(buf: Buf, structure: string, at: number, mp: XfsMount): Damage | null {
  const cycle = buf.view.getUint32(at);
  const block = buf.view.getUint32(at + 4);
  if ((cycle === NO_LSN && block === NO_LSN) || mp.log.reached(cycle, block)) return null;
  return fault(buf, structure, 'lsn', at, `${cycle}:${block}`, `ahead of the log, which is at ${mp.log.position}`);
}

/** Stamps the log position where the structure has one, then the checksum of the whole block. */
export function sealBlock(buf: Buf, at: IdentityAt, lsn: bigint): void {
  if (at.lsn !== undefined) buf.view.setBigUint64(at.lsn, lsn);
  buf.view.setUint32(at.crc, crc32cSkipping(buf.bytes, at.crc), true);
}

/** Runs a check; a 64-bit field beyond 2^53 in it is damage of this block, not an error of its own. */
export function guarded(buf: Buf, structure: string, check: () => Damage | null): Damage | null {
  try {
    return check();
  } catch (error) {
    if (error instanceof FsError && error.code === 'EFBIG')
      return { structure, addr: buf.addr, rule: error.detail ?? 'a number beyond 2^53' };
    throw error;
  }
}

export const hex = (value: number): string => `0x${value.toString(16)}`;
