/**
 * A file system of one file, in memory, that proves what the engine is told about mappings: a block table in plain
 * objects, two devices, and a dice that makes begin() answer short, stale or not at all.
 *
 * Two ways to write over a shared block: 'delalloc' answers as XFS (DELALLOC with SHARED, place chosen at write-back),
 * 'cow' as btrfs (COW). Both add a srcmap. New places alternate between the devices, so that the source of a copy often
 * lies on another device than its target.
 */
import { MemoryDevice } from '../../core/device/memory.ts';
import { FsError } from '../../core/errors.ts';
import {
  type InodeIomapOps,
  type IoEnd,
  IomapFlag,
  IomapOp,
  type IomapOps,
  IomapType,
  type Mapping,
} from '../../core/iomap/iomap.ts';
import type { Tracer } from '../../core/iomap/trace.ts';
import { truncatePage, zeroRange } from '../../core/iomap/write.ts';
import { writeback } from '../../core/iomap/writeback.ts';
import type { Filesystem } from '../../core/vfs/filesystem.ts';
import type { Inode } from '../../core/vfs/inode.ts';
import { PageCache } from '../../core/vfs/page-cache.ts';

/** One block of the file: what the data fork says, and where a copy on write goes. */
interface Block {
  type: IomapType;
  device: MemoryDevice | null;
  addr: number;
  shared: boolean;
  /** A reservation (addr < 0) or a place for the new bytes. */
  cow: { device: MemoryDevice | null; addr: number } | null;
  /** Data was written since the place was chosen. */
  written: boolean;
}

export interface MemoryFsOptions {
  readonly blockSize: number;
  readonly style: 'delalloc' | 'cow';
  /** Inline data of up to this many bytes; 0: never. */
  readonly inlineCapacity: number;
  /** Answers 0 … n-1; makes begin() short or stale. */
  readonly dice: (n: number) => number;
}

/** Remembers which blocks were written, so that completing an unwritten one is noticed. */
class WatchedDevice extends MemoryDevice {
  readonly touched = new Set<number>();
  failWrites = false;
  failReads = false;

  override write(addr: number, from: Uint8Array): void {
    if (this.failWrites) throw new FsError('EIO', { path: this.name });
    for (let at = addr - (addr % 512); at < addr + from.length; at += 512) this.touched.add(at);
    super.write(addr, from);
  }

  override read(addr: number, into: Uint8Array): void {
    if (this.failReads) throw new FsError('EIO', { path: this.name });
    super.read(addr, into);
  }
}

/** The part of an inode that the engine uses; memoryFile() makes one. */
export class MemoryInode {
  readonly ino = 42;
  readonly kind = 'file';
  readonly fs: Filesystem & { tracer: Tracer | null };
  readonly pages: PageCache;
  readonly iomap: InodeIomapOps;
  readonly devices: readonly [WatchedDevice, WatchedDevice];
  size = 0;
  /** Begin calls with flags, for tests that look at the steps. */
  begins = 0;
  /** Throws ENOSPC when it reaches 0 in a begin() that reserves. */
  spaceLeft = Number.POSITIVE_INFINITY;
  inline: Uint8Array | null = null;
  private readonly options: MemoryFsOptions;
  private readonly blocks = new Map<number, Block>();
  private readonly frozen: { device: MemoryDevice; addr: number; bytes: Uint8Array }[] = [];
  private cookie = 0;
  private next = 0;

  constructor(options: MemoryFsOptions) {
    this.options = options;
    this.devices = [new WatchedDevice(2 ** 40, { name: 'a' }), new WatchedDevice(2 ** 40, { name: 'b' })];
    this.fs = { type: 'memory', tracer: null, blockSize: options.blockSize, readOnly: false } as unknown as Filesystem;
    this.pages = new PageCache(this as unknown as Inode, options.blockSize);
    if (options.inlineCapacity > 0) this.inline = new Uint8Array(options.inlineCapacity);
    const valid = (_: Inode, map: Mapping): boolean => map.cookie === this.cookie;
    const ops = (begin: IomapOps['begin']): IomapOps => ({ begin, valid });
    this.iomap = {
      read: ops((_i, pos, length, _f, iomap) => this.beginRead(pos, length, iomap)),
      seek: ops((_i, pos, length, _f, iomap) => this.beginRead(pos, length, iomap)),
      write: ops((_i, pos, length, flags, iomap, srcmap) => this.beginWrite(pos, length, flags, iomap, srcmap)),
      direct: ops((_i, pos, length, _f, iomap, srcmap) => this.beginDirect(pos, length, iomap, srcmap)),
      writeback: {
        mapBlocks: (_i, pos, length, iomap) => this.mapBlocks(pos, length, iomap),
        endIo: (ioend) => this.endIo(ioend),
        discard: (_i, pos, length) => this.discard(pos, length),
      },
      endDirectWrite: (_i, pos, written) => this.endDirect(pos, written),
    };
  }

  growSize(size: number): void {
    this.size = size;
  }

  truncate(size: number): void {
    const { blockSize } = this.options;
    const self = this as unknown as Inode;
    if (size > this.size) zeroRange(self, this.size, size - this.size);
    else if (this.inline !== null) this.inline.fill(0, Math.min(size, this.inline.length));
    else truncatePage(self, size);
    // As XFS does: what was just zeroed must be on the device before the size is.
    if (size < this.size && this.pages.hasDirty(size, size + 1)) writeback(self, size, size + 1);
    this.size = size;
    this.pages.truncate(size);
    for (const index of [...this.blocks.keys()]) if (index * blockSize >= size) this.blocks.delete(index);
    this.cookie++;
  }

  fsync(): void {
    writeback(this as unknown as Inode);
  }

  /** Another file now owns these blocks too: their bytes must never change again. */
  share(pos: number, length: number): void {
    const { blockSize } = this.options;
    this.fsync();
    for (let index = Math.floor(pos / blockSize); index * blockSize < pos + length; index++) {
      const block = this.blocks.get(index);
      if (block?.type !== IomapType.MAPPED || block.cow !== null) continue;
      block.shared = true;
      const bytes = new Uint8Array(blockSize);
      (block.device as MemoryDevice).read(block.addr, bytes);
      this.frozen.push({ device: block.device as MemoryDevice, addr: block.addr, bytes });
    }
    this.cookie++;
  }

  /** Turns holes into unwritten extents, whose place holds old garbage. */
  allocate(pos: number, length: number): void {
    if (this.inline !== null) return;
    const { blockSize } = this.options;
    for (let index = Math.floor(pos / blockSize); index * blockSize < Math.min(this.size, pos + length); index++) {
      if (this.blocks.has(index)) continue;
      this.blocks.set(index, { type: IomapType.UNWRITTEN, ...this.place(), shared: false, cow: null, written: false });
    }
    this.cookie++;
  }

  /** Bytes of shared blocks that changed: must be none. */
  sharedDamage(): number {
    let bad = 0;
    for (const { device, addr, bytes } of this.frozen) {
      const now = new Uint8Array(bytes.length);
      device.read(addr, now);
      if (Buffer.compare(now, bytes) !== 0) bad++;
    }
    return bad;
  }

  /** Blocks that are reserved but have no place. */
  reserved(): number {
    let count = 0;
    for (const b of this.blocks.values()) if (b.type === IomapType.DELALLOC || (b.cow?.addr ?? 0) < 0) count++;
    return count;
  }

  private place(): { device: MemoryDevice; addr: number } {
    const device = this.devices[this.options.dice(4) === 0 ? 1 : 0] as WatchedDevice;
    const addr = 2 ** 20 + this.options.blockSize * this.next++;
    device.write(addr, new Uint8Array(this.options.blockSize).fill(0xee));
    for (let at = addr; at < addr + this.options.blockSize; at += 512) device.touched.delete(at);
    return { device, addr };
  }

  private beginRead(pos: number, length: number, iomap: Mapping): void {
    this.begins++;
    if (this.inline !== null && pos < this.inline.length) {
      this.mapInline(iomap);
      return;
    }
    this.mapRun(pos, length, iomap, (block) => block?.type ?? IomapType.HOLE);
  }

  private mapInline(iomap: Mapping): void {
    const data = this.inline as Uint8Array;
    iomap.type = IomapType.INLINE;
    iomap.offset = 0;
    iomap.length = data.length;
    iomap.inlineData = data;
    iomap.cookie = this.cookie;
  }

  /** The run of blocks from `pos` on that are as the first one, or a part of it if the dice say so. */
  private mapRun(pos: number, length: number, iomap: Mapping, typeOf: (block: Block | undefined) => IomapType): void {
    const { blockSize } = this.options;
    const first = Math.floor(pos / blockSize);
    const block = this.blocks.get(first);
    const type = typeOf(block);
    let end = first + 1;
    const known = Math.max(first, ...this.blocks.keys());
    while (end * blockSize < pos + length && end <= known && this.continues(first, end, type, typeOf)) end++;
    if (type === IomapType.HOLE && end > known) end = Math.ceil((pos + length) / blockSize);
    if (end - first > 1 && this.options.dice(3) === 0) end = first + 1 + this.options.dice(end - first - 1);
    iomap.type = type;
    iomap.offset = first * blockSize;
    iomap.length = (end - first) * blockSize;
    iomap.cookie = this.cookie;
    if (block?.shared) iomap.flags |= IomapFlag.SHARED;
    if (type !== IomapType.MAPPED && type !== IomapType.UNWRITTEN) return;
    iomap.device = (block as Block).device;
    iomap.addr = (block as Block).addr;
  }

  private continues(
    first: number,
    index: number,
    type: IomapType,
    typeOf: (b: Block | undefined) => IomapType,
  ): boolean {
    const a = this.blocks.get(first);
    const b = this.blocks.get(index);
    if (typeOf(b) !== type || (a?.shared ?? false) !== (b?.shared ?? false)) return false;
    if ((a?.cow === null) !== (b?.cow === null)) return false;
    if (type !== IomapType.MAPPED && type !== IomapType.UNWRITTEN) return true;
    return a?.device === b?.device && b?.addr === (a as Block).addr + (index - first) * this.options.blockSize;
  }

  private beginWrite(pos: number, length: number, flags: number, iomap: Mapping, srcmap: Mapping): void {
    this.begins++;
    if (this.inline !== null) {
      if (pos + length <= this.inline.length || (flags & (IomapOp.ZERO | IomapOp.UNSHARE)) !== 0) {
        this.beginInlineZero(pos, iomap);
        return;
      }
      if (this.leaveInline(pos, iomap, srcmap)) return;
    }
    const block = this.blocks.get(Math.floor(pos / this.options.blockSize));
    const keepsHoles = (flags & (IomapOp.ZERO | IomapOp.UNSHARE)) !== 0;
    if (keepsHoles && (block === undefined || (block.type === IomapType.UNWRITTEN && !block.cow))) {
      this.beginRead(pos, length, iomap);
      return;
    }
    this.mapRun(pos, length, iomap, (b) => b?.type ?? IomapType.HOLE);
    if (this.options.dice(8) === 0) iomap.cookie = -1;
    else this.reserve(iomap, srcmap, flags);
  }

  private beginInlineZero(pos: number, iomap: Mapping): void {
    if (pos < (this.inline as Uint8Array).length) {
      this.mapInline(iomap);
      return;
    }
    iomap.type = IomapType.HOLE;
    iomap.offset = (this.inline as Uint8Array).length;
    iomap.length = 2 ** 50;
    iomap.cookie = this.cookie;
  }

  /** The file outgrows its inline data: block 0 is copied from it, or written now if the operation is elsewhere. */
  private leaveInline(pos: number, iomap: Mapping, srcmap: Mapping): boolean {
    const data = this.inline as Uint8Array;
    const { blockSize } = this.options;
    this.inline = null;
    this.cookie++;
    if (pos >= blockSize) {
      const place = this.place();
      place.device.write(place.addr, data);
      place.device.write(place.addr + data.length, new Uint8Array(blockSize - data.length));
      this.blocks.set(0, { type: IomapType.MAPPED, ...place, shared: false, cow: null, written: true });
      return false;
    }
    this.blocks.set(0, { type: IomapType.DELALLOC, device: null, addr: -1, shared: false, cow: null, written: false });
    iomap.type = IomapType.DELALLOC;
    iomap.length = blockSize;
    iomap.cookie = this.cookie;
    srcmap.type = IomapType.INLINE;
    srcmap.length = blockSize;
    srcmap.inlineData = data;
    return true;
  }

  private reserve(iomap: Mapping, srcmap: Mapping, flags: number): void {
    const { blockSize, style } = this.options;
    const first = iomap.offset / blockSize;
    const end = first + iomap.length / blockSize;
    const block = this.blocks.get(first);
    if (iomap.type === IomapType.HOLE) {
      for (let i = first; i < end; i++) {
        this.takeSpace();
        this.blocks.set(i, {
          type: IomapType.DELALLOC,
          device: null,
          addr: -1,
          shared: false,
          cow: null,
          written: false,
        });
      }
      iomap.type = IomapType.DELALLOC;
      iomap.flags |= IomapFlag.NEW;
      this.stamp(iomap);
    } else if (block?.shared && block.type === IomapType.MAPPED) {
      for (let i = first; i < end; i++) {
        const b = this.blocks.get(i) as Block;
        if (b.cow === null) this.takeSpace();
        b.cow ??= { device: null, addr: -1 };
      }
      srcmap.copyFrom(iomap);
      srcmap.flags = 0;
      iomap.type = style === 'cow' ? IomapType.COW : IomapType.DELALLOC;
      iomap.flags |= IomapFlag.SHARED;
      iomap.device = null;
      iomap.addr = -1;
      if ((flags & IomapOp.UNSHARE) === 0 && srcmap.length > blockSize && this.options.dice(3) === 0) {
        srcmap.length -= blockSize;
      }
      this.stamp(iomap);
    }
  }

  private stamp(iomap: Mapping): void {
    this.cookie++;
    iomap.cookie = this.cookie;
  }

  private takeSpace(): void {
    if (this.spaceLeft-- <= 0) throw new FsError('ENOSPC');
  }

  private beginDirect(pos: number, length: number, iomap: Mapping, srcmap: Mapping): void {
    const { blockSize } = this.options;
    this.begins++;
    if (this.inline !== null && pos + length <= this.inline.length) {
      this.mapInline(iomap);
      return;
    }
    if (this.inline !== null && !this.leaveInline(blockSize, iomap, iomap)) this.cookie++;
    const first = Math.floor(pos / blockSize);
    let block = this.blocks.get(first);
    if (block === undefined || block.type === IomapType.DELALLOC) {
      block = { type: IomapType.UNWRITTEN, ...this.place(), shared: false, cow: null, written: false };
      this.blocks.set(first, block);
    }
    iomap.offset = first * blockSize;
    iomap.length = blockSize;
    iomap.type = block.type;
    iomap.device = block.device;
    iomap.addr = block.addr;
    if (!block.shared) return;
    srcmap.copyFrom(iomap);
    block.cow = block.cow !== null && block.cow.addr >= 0 ? block.cow : this.place();
    iomap.type = IomapType.UNWRITTEN;
    iomap.flags |= IomapFlag.SHARED;
    iomap.device = block.cow.device;
    iomap.addr = block.cow.addr;
  }

  private endDirect(pos: number, written: number): void {
    const { blockSize } = this.options;
    for (let i = Math.floor(pos / blockSize); i * blockSize < pos + written; i++) {
      if (this.inline === null) this.settle(i);
    }
    if (pos + written > this.size) this.size = pos + written;
  }

  private mapBlocks(pos: number, length: number, iomap: Mapping): void {
    const { blockSize } = this.options;
    const first = Math.floor(pos / blockSize);
    if (this.blocks.get(first) === undefined)
      throw new FsError('EUCLEAN', { detail: `dirty page over a hole at ${pos}` });
    for (let i = first; i * blockSize < pos + length; i++) {
      const block = this.blocks.get(i);
      if (block === undefined) break;
      if (block.type === IomapType.DELALLOC) Object.assign(block, { type: IomapType.UNWRITTEN, ...this.place() });
      if (block.cow !== null && block.cow.addr < 0) block.cow = this.place();
    }
    const block = this.blocks.get(first) as Block;
    if (block.cow === null) {
      if (block.shared) throw new FsError('EUCLEAN', { detail: `dirty page over a shared block at ${pos}` });
      this.mapRun(pos, length, iomap, (b) => b?.type ?? IomapType.HOLE);
      return;
    }
    iomap.type = IomapType.UNWRITTEN;
    iomap.flags = IomapFlag.SHARED;
    iomap.offset = first * blockSize;
    iomap.length = blockSize;
    iomap.device = block.cow.device;
    iomap.addr = block.cow.addr;
  }

  private endIo(ioend: IoEnd): void {
    const { blockSize } = this.options;
    for (let at = ioend.offset; at < ioend.offset + ioend.length; at += blockSize) this.settle(at / blockSize);
    this.cookie++;
  }

  /** Makes permanent what was written. */
  private settle(index: number): void {
    const block = this.blocks.get(index);
    if (block === undefined) throw new Error(`ioend over a hole, block ${index}`);
    if (block.cow !== null) {
      block.device = block.cow.device;
      block.addr = block.cow.addr;
      block.cow = null;
      block.shared = false;
    }
    if (!(block.device as WatchedDevice).touched.has(block.addr)) throw new Error(`ioend before data, block ${index}`);
    block.type = IomapType.MAPPED;
  }

  private discard(pos: number, length: number): void {
    const { blockSize } = this.options;
    for (let i = Math.floor(pos / blockSize); i * blockSize < pos + length; i++) {
      const block = this.blocks.get(i);
      if (block === undefined) continue;
      if (block.type === IomapType.DELALLOC) this.blocks.delete(i);
      else block.cow = null;
    }
    this.cookie++;
  }
}

/** A new, empty file. */
export function memoryFile(options: MemoryFsOptions): MemoryInode & Inode {
  return new MemoryInode(options) as MemoryInode & Inode;
}
