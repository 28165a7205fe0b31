/**
 * Verifiers of directory blocks with entries (kernel: __xfs_dir3_data_check): every entry and every free space fits,
 * carries its own offset as tag, the largest free spaces are those that the header names, and in the block form each
 * entry has its hash in the index at the end of the block.
 */
import type { Buf, BufOps } from '../../../core/buffer-cache.ts';
import type { Damage } from '../../../core/errors.ts';
import { blockTailAt, type DirGeometry, dataEntrySize, dirGeometry, toDataptr } from '../dir/geometry.ts';
import { hashDirName } from '../dir/hash.ts';
import { Blft } from '../log/log-format.ts';
import type { XfsMount } from '../mount.ts';
import {
  DIR_DATA_ALIGN,
  DIR_DATA_FREE_TAG,
  DIR_NULL_DATAPTR,
  Dir3DataHeader,
  DirFtype,
  DirMagic,
} from '../structure/dir.ts';
import { checkIdentity, fault, guarded, hex, sealBlock } from './header.ts';

const AT = {
  crc: Dir3DataHeader.at.crc,
  uuid: Dir3DataHeader.at.uuid,
  blkno: Dir3DataHeader.at.blkno,
  lsn: Dir3DataHeader.at.lsn,
};

export function dirBlockOps(mp: XfsMount): BufOps {
  return dataOps(mp, 'dirBlock', Blft.DIR_BLOCK, 'block');
}

export function dirDataOps(mp: XfsMount): BufOps {
  return dataOps(mp, 'dirData', Blft.DIR_DATA, 'data');
}

function dataOps(mp: XfsMount, name: string, logType: number, form: 'block' | 'data'): BufOps {
  const magic = DirMagic[form][mp.features.v5 ? 1 : 0];
  const structure = `directory ${form} block`;
  return {
    name,
    logType,
    verify(buf) {
      const found = buf.view.getUint32(0);
      if (found !== magic) return fault(buf, structure, 'magic', 0, hex(found), 'magic');
      if (mp.features.v5) {
        const identity = checkIdentity(buf, structure, AT, mp);
        if (identity !== null) return identity;
      }
      return guarded(buf, structure, () => new DataCheck(mp, buf, structure, form === 'block').run());
    },
    seal(buf, lsn) {
      if (mp.features.v5) sealBlock(buf, AT, lsn);
    },
  };
}

/** One walk over the entries of a block. */
class DataCheck {
  private readonly geo: DirGeometry;
  private readonly mp: XfsMount;
  private readonly buf: Buf;
  private readonly structure: string;
  private readonly block: boolean;
  private leafAt = 0;
  private leafCount = 0;
  private end: number;
  /** Bit per slot of bestfree that a free space accounted for. */
  private seen = 0;

  constructor(mp: XfsMount, buf: Buf, structure: string, block: boolean) {
    this.geo = dirGeometry(mp);
    this.mp = mp;
    this.buf = buf;
    this.structure = structure;
    this.block = block;
    this.end = buf.length;
  }

  run(): Damage | null {
    const tail = this.block ? this.checkTail() : null;
    return tail ?? this.checkBestfree() ?? this.checkSpace();
  }

  private bad(field: string, offset: number, value: number | string, rule: string): Damage {
    return fault(this.buf, this.structure, field, offset, value, rule);
  }

  private checkTail(): Damage | null {
    const { view } = this.buf;
    const tailAt = blockTailAt(this.geo);
    const count = view.getUint32(tailAt);
    if (count > (tailAt - this.geo.dataHeader) / 8)
      return this.bad('btail.count', tailAt, count, 'more than fit the block');
    const stale = view.getUint32(tailAt + 4);
    this.leafCount = count;
    this.leafAt = tailAt - count * 8;
    this.end = this.leafAt;
    let unused = 0;
    for (let i = 0; i < count; i++) {
      const at = this.leafAt + i * 8;
      if (view.getUint32(at + 4) === DIR_NULL_DATAPTR) unused++;
      if (i > 0 && view.getUint32(at) < view.getUint32(at - 8))
        return this.bad(`bleaf[${i}].hashval`, at, hex(view.getUint32(at)), 'hashes are not in order');
    }
    return unused === stale ? null : this.bad('btail.stale', tailAt + 4, stale, `${unused} stale entries found`);
  }

  private checkBestfree(): Damage | null {
    const { view } = this.buf;
    const at = this.geo.bestAt;
    for (let i = 0; i < 3; i++) {
      const offset = view.getUint16(at + i * 4);
      const length = view.getUint16(at + i * 4 + 2);
      if (length === 0) {
        if (offset !== 0) return this.bad(`bestfree[${i}].offset`, at + i * 4, offset, 'set without a length');
        this.seen |= 1 << i;
      }
      if (i > 0 && length > view.getUint16(at + i * 4 - 2))
        return this.bad(`bestfree[${i}].length`, at + i * 4 + 2, length, 'longer than the one before');
    }
    return null;
  }

  private checkSpace(): Damage | null {
    const { view } = this.buf;
    let entries = 0;
    let afterFree = false;
    // Each step is at least 8 bytes: a free length of 0 is refused below.
    for (let at = this.geo.dataHeader; at < this.end; ) {
      if (at > this.end - DIR_DATA_ALIGN) return this.bad('entry', at, this.end - at, 'bytes left are no entry');
      if (view.getUint16(at) === DIR_DATA_FREE_TAG) {
        if (afterFree) return this.bad('freetag', at, hex(DIR_DATA_FREE_TAG), 'two free spaces side by side');
        const damage = this.checkFree(at);
        if (damage !== null) return damage;
        afterFree = true;
        at += view.getUint16(at + 2);
      } else {
        const damage = this.checkEntry(at);
        if (damage !== null) return damage;
        afterFree = false;
        entries++;
        at += dataEntrySize(this.geo, this.buf.bytes[at + 8] as number);
      }
    }
    if (this.seen !== 7)
      return this.bad('bestfree', this.geo.bestAt, this.seen, 'names a free space that is not there');
    if (!this.block) return null;
    const active = this.leafCount - view.getUint32(blockTailAt(this.geo) + 4);
    return entries === active
      ? null
      : this.bad('btail.count', blockTailAt(this.geo), this.leafCount, `${entries} entries found`);
  }

  private checkFree(at: number): Damage | null {
    const { view } = this.buf;
    const length = view.getUint16(at + 2);
    if (length === 0 || length % DIR_DATA_ALIGN !== 0 || at + length > this.end)
      return this.bad('length', at + 2, length, 'free space does not fit the block');
    const tag = view.getUint16(at + length - 2);
    if (tag !== at) return this.bad('tag', at + length - 2, tag, `own offset is ${at}`);
    let slot = -1;
    for (let i = 0; i < 3; i++) if (view.getUint16(this.geo.bestAt + i * 4) === at) slot = i;
    if (slot < 0) {
      const third = view.getUint16(this.geo.bestAt + 10);
      return length > third ? this.bad('length', at + 2, length, 'larger than those in bestfree') : null;
    }
    const named = view.getUint16(this.geo.bestAt + slot * 4 + 2);
    if (named !== length)
      return this.bad(`bestfree[${slot}].length`, this.geo.bestAt + slot * 4 + 2, named, `space is ${length}`);
    if ((this.seen & (1 << slot)) !== 0)
      return this.bad(`bestfree[${slot}]`, this.geo.bestAt + slot * 4, at, 'named twice');
    this.seen |= 1 << slot;
    return null;
  }

  private checkEntry(at: number): Damage | null {
    const { view, bytes } = this.buf;
    if (at + 9 > this.end) return this.bad('entry', at, this.end - at, 'bytes left are no entry');
    const nameLength = bytes[at + 8] as number;
    if (nameLength === 0) return this.bad('namelen', at + 8, 0, 'empty name');
    const size = dataEntrySize(this.geo, nameLength);
    if (at + size > this.end) return this.bad('namelen', at + 8, nameLength, 'entry does not fit the block');
    const ino = view.getUint32(at) * 0x1_0000_0000 + view.getUint32(at + 4);
    if (!this.mp.validIno(ino)) return this.bad('inumber', at, ino, 'no inode of this file system');
    const tag = view.getUint16(at + size - 2);
    if (tag !== at) return this.bad('tag', at + size - 2, tag, `own offset is ${at}`);
    if (this.geo.ftype) {
      const ftype = bytes[at + 9 + nameLength] as number;
      if (ftype >= DirFtype.MAX) return this.bad('filetype', at + 9 + nameLength, ftype, `>= ${DirFtype.MAX}`);
    }
    if (!this.block) return null;
    const hash = hashDirName(bytes.subarray(at + 9, at + 9 + nameLength), this.geo.asciiCi);
    return this.indexed(hash, toDataptr(this.geo, 0, at))
      ? null
      : this.bad('name', at + 9, hex(hash), 'hash is not in the index of the block');
  }

  /** Binary search of the index at the end; equal hashes are searched in full. */
  private indexed(hash: number, address: number): boolean {
    const { view } = this.buf;
    let low = 0;
    let high = this.leafCount;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (view.getUint32(this.leafAt + middle * 8) < hash) low = middle + 1;
      else high = middle;
    }
    for (; low < this.leafCount && view.getUint32(this.leafAt + low * 8) === hash; low++)
      if (view.getUint32(this.leafAt + low * 8 + 4) === address) return true;
    return false;
  }
}
