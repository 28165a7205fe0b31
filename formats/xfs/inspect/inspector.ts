/**
 * A place in the image and how it is looked at: what xfs_db keeps between its commands. Words move the place, `print`
 * shows it. Blocks that a running session changed are shown as they are in memory.
 */
import { FsError } from '../../../core/errors.ts';
import { CHUNK_LOG, labelUnits } from '../../../core/positions.ts';
import { kindOfMode } from '../../../core/vfs/file-kind.ts';
import type { FileKind } from '../../../core/vfs/inode.ts';
import { forkLookup } from '../bmap-fork.ts';
import { Extent } from '../extent.ts';
import type { XfsMount } from '../mount.ts';
import { Dinode } from '../structure/dinode.ts';
import { type Printed, printAll, printPath } from './field.ts';
import { type Lead, leadOf } from './leads.ts';
import { asBlock, type BlockType, blockType } from './types.ts';

interface Place {
  readonly type: BlockType;
  readonly bytes: Uint8Array;
  /** Device byte address of the first byte. */
  readonly addr: number;
}

/** A word that means nothing here; the message is what xfs_db says. */
export class InspectError extends Error {}

export class Inspector {
  private readonly mp: XfsMount;
  private place: Place | null = null;
  private group: number | null = null;
  private ino: number | null = null;
  private dirIno: number | null = null;

  constructor(mp: XfsMount) {
    this.mp = mp;
  }

  /** The group that unqualified words mean, or null before any was named. */
  get currentGroup(): number | null {
    return this.group;
  }

  get currentType(): string | null {
    return this.place?.type.name ?? null;
  }

  get currentInode(): number | null {
    return this.ino;
  }

  /** Device byte address of what is looked at; null at the start. */
  get currentAddr(): number | null {
    return this.place?.addr ?? null;
  }

  /** A header of a group: the superblock copy, AGF, AGI or free list. @throws InspectError for no group */
  header(name: 'sb' | 'agf' | 'agi' | 'agfl', word: string | undefined): void {
    const { mp } = this;
    const agno = word === undefined ? (this.group ?? 0) : numberOf(word);
    if (agno === null || agno >= mp.agCount) throw new InspectError(`bad allocation group number ${word}`);
    this.group = agno;
    const sector = ['sb', 'agf', 'agi', 'agfl'].indexOf(name);
    this.go(name, mp.agbToAddr(agno, 0) + sector * mp.sectorSize, mp.sectorSize);
  }

  /** An inode, used or not. @throws InspectError for a number that none has */
  inode(word: string): void {
    const { mp } = this;
    const ino = numberOf(word);
    if (ino === null) throw new InspectError(`bad value for inode number ${word}`);
    const agno = mp.inoToAgno(ino);
    const agbno = mp.inoToAgbno(ino);
    if (agno >= mp.agCount || agbno >= mp.agSize(agno)) throw new InspectError(`bad inode number ${word}`);
    this.group = agno;
    this.ino = ino;
    this.go('inode', mp.agbToAddr(agno, agbno) + mp.inoToOffset(ino) * mp.inodeSize, mp.inodeSize);
    if (this.currentKind() === 'dir') this.dirIno = ino;
  }

  /** Kind of the current inode, from its bytes: it may be damaged or free. */
  private currentKind(): FileKind {
    return kindOfMode(this.place === null ? 0 : new DataView(this.place.bytes.buffer).getUint16(Dinode.at.mode));
  }

  /** A block by its file-system number. @throws InspectError */
  fsblock(word: string): void {
    const { mp } = this;
    const fsb = numberOf(word);
    const agno = fsb === null ? 0 : mp.fsbToAgno(fsb);
    if (fsb === null || agno >= mp.agCount || mp.fsbToAgbno(fsb) >= mp.agSize(agno))
      throw new InspectError(`bad fsblock ${word}`);
    this.go('data', mp.fsbToAddr(fsb), mp.blockSize);
  }

  /** A 512-byte sector of the device. @throws InspectError */
  daddr(word: string): void {
    const daddr = numberOf(word);
    if (daddr === null || daddr * 512 >= this.mp.dataBlocks * this.mp.blockSize)
      throw new InspectError(`bad daddr ${word}`);
    this.go('data', daddr * 512, 512);
  }

  /** A block of the current inode's data or attribute fork. @throws InspectError, FsError */
  forkBlock(word: string, fork: 'data' | 'attr'): void {
    const { mp } = this;
    const asked = numberOf(word);
    if (asked === null) throw new InspectError(`bad block number ${word}`);
    if (this.ino === null) throw new InspectError('no current inode');
    const ip = mp.iget(this.ino);
    const type = fork === 'attr' ? (mp.features.v5 ? 'attr3' : 'attr') : this.dataType(ip.kind);
    if (type === null) throw new InspectError('no type for file data');
    const count = type.startsWith('dir') ? mp.dirBlockSize / mp.blockSize : 1;
    const parts: Uint8Array[] = [];
    const extent = new Extent();
    let first = -1;
    const block = labelUnits(asked, CHUNK_LOG - mp.blockLog);
    for (let at = block; at < block + count; at++) {
      if (!forkLookup(ip, fork, at, extent) || extent.off > at)
        throw new InspectError(fork === 'attr' ? 'attribute data block is unmapped' : 'file data block is unmapped');
      const addr = mp.fsbToAddr(extent.block + (at - extent.off));
      if (first < 0) first = addr;
      parts.push(this.read(addr, mp.blockSize));
    }
    const known = blockType(mp, type) as BlockType;
    this.place = { type: known, bytes: Buffer.concat(parts), addr: first };
  }

  private dataType(kind: string): string | null {
    if (kind === 'dir') return this.mp.features.v5 ? 'dir3' : 'dir2';
    if (kind === 'symlink') return 'symlink';
    return kind === 'file' ? 'data' : null;
  }

  /** Looks at the same place as another type. @throws InspectError */
  type(name: string): void {
    const type = blockType(this.mp, name);
    if (type === null) throw new InspectError(`no such type ${name}`);
    const { place } = this;
    if (place === null) throw new InspectError('no current object');
    // Bytes without a structure: as many as a sector of the least size, unless they were looked at as such before.
    const size = type.size ?? (place.type.name === name ? place.bytes.length : 512);
    const bytes = size === place.bytes.length ? place.bytes : this.read(place.addr, size);
    this.place = { type, bytes, addr: place.addr };
    if (name === 'inode') this.ino = this.inodeAt(place.addr);
  }

  private inodeAt(addr: number): number {
    const { mp } = this;
    const fsb = mp.addrToFsb(addr);
    const agino = mp.fsbToAgbno(fsb) * mp.inodesPerBlock + Math.floor((addr % mp.blockSize) / mp.inodeSize);
    return mp.agInoToIno(mp.fsbToAgno(fsb), agino);
  }

  /** Looks at what a field of the current place points to. @throws InspectError, PathError */
  follow(path: string): void {
    const { mp, place } = this;
    if (place === null) throw new InspectError('no current type');
    if (place.type.fields === null) throw new InspectError(`no fields for type ${place.type.name}`);
    const [printed] = printPath(asBlock(mp, place.type, place.bytes), place.type.fields, path);
    const names = path.replace(/\[[^\]]*\]/g, '');
    const last = names.split('.').at(-1);
    if (/\[\w+-/.test(path)) throw new InspectError('array not allowed for addr command');
    const lead = leadOf(place.type.name, names);
    if (lead === null) throw new InspectError(`no next type for field ${last}`);
    const value = Array.isArray(printed?.value) ? printed.value[0] : printed?.value;
    this.goTo(lead, typeof value === 'number' ? value : null);
  }

  private goTo({ unit, type }: Lead, number: number | null): void {
    const { mp } = this;
    const inode = unit === 'ino' || unit === 'agino';
    const wanting = unit === 'attrBlock' ? 'null attribute block' : inode ? 'null inode' : 'null block';
    if (number === null || (number === 0 && (unit === 'attrBlock' || unit === 'dirBlock')))
      throw new InspectError(`${unit === 'dirBlock' ? 'null directory block' : wanting} number, cannot set new addr`);
    if (unit === 'ino') this.inode(String(number));
    else if (unit === 'agino') this.inode(String(mp.agInoToIno(this.group ?? 0, number)));
    else if (unit === 'attrBlock') this.forkBlock(String(number), 'attr');
    else if (unit === 'dirBlock' || unit === 'fileBlock') this.forkBlock(String(number), 'data');
    else {
      const fsb = unit === 'agblock' ? mp.agbToFsb(this.group ?? 0, number) : number;
      const known = type === 'fork' ? this.forkType() : type === 'attr' && mp.features.v5 ? 'attr3' : type;
      if (!mp.validFsb(fsb) && mp.fsbToAgno(fsb) >= mp.agCount) throw new InspectError(`bad fsblock ${fsb}`);
      this.go(known, mp.fsbToAddr(fsb), known.startsWith('dir') ? mp.dirBlockSize : mp.blockSize);
    }
  }

  /** The buffer that an inode is read with. */
  private clusterOf(addr: number): { addr: number; length: number } {
    const { mp } = this;
    const fsb = mp.addrToFsb(addr);
    const agbno = mp.fsbToAgbno(fsb);
    const first = agbno - (agbno % mp.blocksPerCluster);
    return { addr: mp.agbToAddr(mp.fsbToAgno(fsb), first), length: mp.inodeClusterSize };
  }

  /** What the current inode's data blocks are. */
  private forkType(): string {
    return (this.ino === null ? null : this.dataType(this.mp.iget(this.ino).kind)) ?? 'data';
  }

  /** Where the session looks, as xfs_db's `addr` tells it. */
  describe(): string {
    const { mp, place } = this;
    const addr = place?.addr ?? 0;
    const length = place?.bytes.length ?? 0;
    const buffer = place?.type.name === 'inode' ? this.clusterOf(addr) : { addr, length };
    const sectors = Math.ceil(buffer.length / 512);
    return [
      'current',
      `\tbyte offset ${addr}, length ${length}`,
      `\tbuffer block ${Math.floor(buffer.addr / 512)} (fsbno ${mp.addrToFsb(buffer.addr)}), ${sectors} bb${sectors === 1 ? '' : 's'}`,
      `\tinode ${this.ino ?? -1}, dir inode ${this.dirIno ?? -1}, type ${place?.type.name ?? 'none'}`,
    ].join('\n');
  }

  /** The fields of what is looked at: all, or those that paths name; bytes for types without fields. */
  print(paths: readonly string[]): Printed[] {
    const { place } = this;
    if (place === null) throw new InspectError('no current type');
    const { fields } = place.type;
    if (fields === null) return [place.type.name === 'text' ? textBytes(place.bytes) : rawBytes(place.bytes)];
    const block = asBlock(this.mp, place.type, place.bytes);
    return paths.length === 0 ? printAll(block, fields) : paths.flatMap((path) => printPath(block, fields, path));
  }

  private go(name: string, addr: number, length: number): void {
    this.place = { type: blockType(this.mp, name) as BlockType, bytes: this.read(addr, length), addr };
  }

  /** Bytes as the session sees them: changed blocks are not on the device yet. */
  private read(addr: number, length: number): Uint8Array {
    const { mp } = this;
    if (addr + length > mp.device.size)
      throw new FsError('EIO', { detail: `no byte ${addr + length - 1} on ${mp.device.name}` });
    const bytes = new Uint8Array(length);
    mp.device.read(addr, bytes);
    for (const buf of mp.cache.dirty) {
      for (let at = 0, i = 0; i < buf.maps.length; at += buf.maps[i]?.length ?? 0, i++) {
        const map = buf.maps[i] as { addr: number; length: number };
        const start = Math.max(addr, map.addr);
        const end = Math.min(addr + length, map.addr + map.length);
        if (start < end) bytes.set(buf.bytes.subarray(at + start - map.addr, at + end - map.addr), start - addr);
      }
    }
    return bytes;
  }
}

/** Hexadecimal, 32 bytes a line. */
function rawBytes(bytes: Uint8Array): Printed {
  const width = offsetWidth(bytes.length, 32);
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += 32) {
    const hex = Buffer.from(bytes.subarray(at, at + 32))
      .toString('hex')
      .replace(/(.{8})/g, ' $1');
    lines.push(`${at.toString(16).padStart(width, '0')}:${hex}`);
  }
  return { name: 'data', text: lines.join('\n'), value: Buffer.from(bytes).toString('hex') };
}

/** Hexadecimal and letters, 16 bytes a line. */
function textBytes(bytes: Uint8Array): Printed {
  const width = offsetWidth(bytes.length, 16);
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const line = Buffer.from(bytes.subarray(at, at + 16));
    const hex = line.toString('hex').replace(/(..)/g, ' $1');
    lines.push(
      `${at.toString(16).padStart(width, '0')}: ${hex}  ${line.toString('latin1').replace(/[^0-9A-Za-z]/g, '.')}`,
    );
  }
  return { name: 'text', text: lines.join('\n'), value: Buffer.from(bytes).toString('hex') };
}

/** Digits of the last line's offset. */
function offsetWidth(length: number, step: number): number {
  const last = length - 1 - ((length - 1) % step);
  return last < 0x10 ? 1 : last < 0x100 ? 2 : last < 0x1000 ? 3 : 4;
}

/** A number as C's strtoull reads it, or null. */
export function numberOf(word: string): number | null {
  if (!/^(0[xX][0-9a-fA-F]+|\d+)$/.test(word)) return null;
  const value = /^0[0-7]+$/.test(word) ? Number.parseInt(word, 8) : Number(word);
  return Number.isSafeInteger(value) ? value : null;
}
