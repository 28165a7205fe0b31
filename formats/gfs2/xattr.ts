/**
 * Extended attributes: records in a block, or in several that a block of pointers leads to. A value follows its name, or
 * lies in blocks of its own (kernel: fs/gfs2/xattr.c).
 *
 *     header | name value … | header | name pad pointers …        the last record ends with the block
 */
import type { Buf } from '../../core/buffer-cache.ts';
import { corrupt, FsError } from '../../core/errors.ts';
import type { Xattr, XattrNamespace } from '../../core/vfs/inode.ts';
import { decodeName, encodeName } from '../../core/vfs/names.ts';
import type { Gfs2Inode } from './inode.ts';
import { eaDataOps, eattrOps, indirectOps } from './meta-block.ts';
import { Dinode } from './structure/dinode.ts';
import { EA_HEADER_SIZE, EA_MAX_DATA, EAFLAG_LAST, EaHeader, EaType } from './structure/ea.ts';
import { META_SIZE, readBlockNumber } from './structure/meta.ts';

const NAMESPACES: readonly (XattrNamespace | undefined)[] = [undefined, 'user', 'system', 'security', 'trusted'];

/** An attribute where it lies. */
interface EaPlace {
  readonly buf: Buf;
  readonly at: number;
  readonly type: number;
  readonly name: Uint8Array;
  readonly size: number;
}

/** The attributes of an inode, in their order on disk. @throws FsError EUCLEAN, EIO */
export function listXattrs(ip: Gfs2Inode): Xattr[] {
  const found: Xattr[] = [];
  for (const { type, name, size } of eaPlaces(ip)) {
    const namespace = NAMESPACES[type];
    if (namespace !== undefined) found.push({ namespace, name: decodeName(name), size });
  }
  return found;
}

/** The value of an attribute, or null. @throws FsError EUCLEAN, EIO, EOPNOTSUPP for a namespace that the image has not */
export function getXattr(ip: Gfs2Inode, namespace: XattrNamespace, name: string): Uint8Array | null {
  const type = NAMESPACES.indexOf(namespace);
  if (type < 0 || (type === EaType.TRUSTED && !ip.mp.hasTrusted)) throw new FsError('EOPNOTSUPP');
  const wanted = encodeName(name);
  for (const place of eaPlaces(ip))
    if (place.type === type && Buffer.compare(place.name, wanted) === 0) return eaValue(ip, place);
  return null;
}

/** The blocks with records, in order. @throws FsError EUCLEAN, EIO */
export function* eattrBlocks(ip: Gfs2Inode): Generator<Buf, void, undefined> {
  const { mp } = ip;
  const first = Dinode.get.di_eattr(ip.view, 0);
  if (first === 0) return;
  if (!ip.has('EA_INDIRECT')) {
    yield mp.block(checked(ip, first), eattrOps);
    return;
  }
  const { view } = mp.block(checked(ip, first), indirectOps);
  for (let i = 0; i < mp.pointers; i++) {
    const block = readBlockNumber(view, META_SIZE + i * 8);
    if (block === 0) return;
    yield mp.block(checked(ip, block), eattrOps);
  }
}

/** The blocks of a value that lies in blocks of its own. @throws FsError EUCLEAN outside the device */
function valueBlocks(ip: Gfs2Inode, { buf, at, name }: EaPlace): number[] {
  const count = EaHeader.get.ea_num_ptrs(buf.view, at);
  const start = pointersStart(at, name.length);
  return Array.from({ length: count }, (_, i) => checked(ip, readBlockNumber(buf.view, start + i * 8)));
}

/** Every block that holds values by itself. @throws FsError EUCLEAN, EIO */
export function* eaValueBlocks(ip: Gfs2Inode): Generator<number, void, undefined> {
  for (const place of eaPlaces(ip)) yield* valueBlocks(ip, place);
}

function checked(ip: Gfs2Inode, block: number): number {
  if (ip.mp.validBlock(block)) return block;
  throw corrupt({
    structure: `attributes of inode ${ip.ino}`,
    field: 'block',
    value: `${block}`,
    rule: 'outside the device',
  });
}

/** Pointers to a value are aligned in their record. */
function pointersStart(at: number, nameLength: number): number {
  return at + EA_HEADER_SIZE + Math.ceil(nameLength / 8) * 8;
}

function* eaPlaces(ip: Gfs2Inode): Generator<EaPlace, void, undefined> {
  for (const buf of eattrBlocks(ip)) yield* placesIn(ip, buf);
}

function* placesIn(ip: Gfs2Inode, buf: Buf): Generator<EaPlace, void, undefined> {
  const { view, bytes, length } = buf;
  const { get } = EaHeader;
  const last = ip.mp.hasTrusted ? EaType.TRUSTED : EaType.SECURITY;
  for (let at = META_SIZE; ; ) {
    const bad = (field: keyof typeof EaHeader.at, value: number, rule: string): FsError =>
      corrupt({
        structure: `attribute of inode ${ip.ino}`,
        addr: buf.addr + at,
        offset: EaHeader.at[field],
        field,
        value: String(value),
        rule,
      });
    if (at + EA_HEADER_SIZE > length) throw bad('ea_flags', 0, 'no record is the last');
    const recLen = get.ea_rec_len(view, at);
    if (recLen < EA_HEADER_SIZE || recLen % 8 !== 0 || at + recLen > length)
      throw bad('ea_rec_len', recLen, 'no length of a record here');
    const type = get.ea_type(view, at);
    if (type > last) throw bad('ea_type', type, 'unknown');
    if (type !== EaType.UNUSED) {
      const nameLength = get.ea_name_len(view, at);
      const size = get.ea_data_len(view, at);
      const pointers = get.ea_num_ptrs(view, at);
      if (size > EA_MAX_DATA) throw bad('ea_data_len', size, `> ${EA_MAX_DATA}`);
      const end =
        pointers === 0 ? at + EA_HEADER_SIZE + nameLength + size : pointersStart(at, nameLength) + pointers * 8;
      if (end > at + recLen) throw bad('ea_name_len', nameLength, 'the record is too short for name and value');
      if (pointers > 0 && pointers !== Math.ceil(size / ip.mp.contentSize))
        throw bad('ea_num_ptrs', pointers, `not what ${size} bytes need`);
      yield { buf, at, type, name: bytes.subarray(at + EA_HEADER_SIZE, at + EA_HEADER_SIZE + nameLength), size };
    }
    if ((get.ea_flags(view, at) & EAFLAG_LAST) !== 0) {
      if (at + recLen !== length)
        throw bad('ea_flags', get.ea_flags(view, at), 'the last record ends before its block');
      return;
    }
    at += recLen;
  }
}

function eaValue(ip: Gfs2Inode, place: EaPlace): Uint8Array {
  const { buf, at, name, size } = place;
  const blocks = valueBlocks(ip, place);
  if (blocks.length === 0) {
    const start = at + EA_HEADER_SIZE + name.length;
    return buf.bytes.slice(start, start + size);
  }
  const value = new Uint8Array(size);
  let done = 0;
  for (const block of blocks) {
    const part = ip.mp.block(block, eaDataOps).bytes.subarray(META_SIZE, META_SIZE + size - done);
    value.set(part, done);
    done += part.length;
  }
  return value;
}
