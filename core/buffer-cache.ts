/**
 * The one cache of metadata blocks. A Buf is a block (or a directory block made of several device extents) with
 * its bytes, its structure (BufOps) and its state; the bytes were verified when they were read.
 *
 * Invariants: at most one cached Buf per address; a Buf that is held or dirty is never evicted; an evicted Buf keeps
 * its bytes, so that a caller who still has it reads what was true, and `revive` takes it back before a change.
 * Eviction is a clock (second chance): a hit is one Map lookup and one store.
 */
import type { Device } from './device/device.ts';
import type { Damage } from './errors.ts';
import { corrupt } from './errors.ts';

/** What the cache must know of a kind of block. */
export interface BufOps {
  /** The structure as errors name it: `bnobt`, `agf`. */
  readonly name: string;
  /** The format's type number of this structure in its log (XFS_BLFT_*). */
  readonly logType: number;
  /**
   * Judges the block after a read: checksum, magic, own address, owner, bounds. Null if it is good. `sealed`: seal() has
   * just been called, the checksum need not be computed once more.
   */
  verify(buf: Buf, sealed?: boolean): Damage | null;
  /** A transaction is about to change the block: the last moment to judge what verify() left for later. */
  beforeChange?(buf: Buf): void;
  /** Makes the block fit to be written in place: stamps `lsn`, computes the checksum. */
  seal?(buf: Buf, lsn: bigint): void;
}

/** A run of device bytes. */
export interface BufMap {
  readonly addr: number;
  readonly length: number;
}

/** One cached block. */
export class Buf {
  /** Device byte address of the first map. */
  readonly addr: number;
  /** Bytes over all maps. */
  readonly length: number;
  readonly maps: readonly BufMap[];
  readonly bytes: Uint8Array;
  readonly view: DataView;
  ops: BufOps;
  /** How many users want it to stay. */
  holds = 0;
  /** Changed by a committed transaction and not yet written in place. */
  dirty = false;

  /** The structure it was last verified as (verify may narrow `ops`). */
  verifiedAs: BufOps;
  /** False after eviction or drop. */
  cached = false;
  /** Used since the clock's hand passed. */
  used = true;
  /** What the address held before init(), until the transaction of the init ends. */
  replaced: Buf | null = null;

  /** Changed by committed transactions that are not in the log yet: must not be written in place. */
  pinned = false;
  /** 128-byte chunks that the next checkpoint logs, one bit each; null if none. */
  chunks: Uint32Array | null = null;
  /** Bytes that the running transaction has kept of it in case it is cancelled; -1 once it has kept all of them. */
  undoBytes = 0;
  /** Format-private facts for the log. */
  logFlags = 0;
  /** Position in the log of the last checkpoint that has this block. */
  lsn = 0n;
  /** The running transaction that has it, by number. */
  transaction = 0;

  constructor(maps: readonly BufMap[], bytes: Uint8Array, ops: BufOps) {
    this.addr = (maps[0] as BufMap).addr;
    this.length = bytes.length;
    this.maps = maps;
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.ops = ops;
    this.verifiedAs = ops;
  }
}

const SLAB = 256 * 1024;

/** A cache of at most about `capacityBytes` of clean blocks over one device. */
export class BufferCache {
  readonly device: Device;
  readonly capacity: number;
  /** Every dirty block, to be written in place in time. */
  readonly dirty = new Set<Buf>();
  /** Bytes of the dirty blocks. */
  dirtyBytes = 0;
  /** Blocks read from the device so far. */
  reads = 0;
  private readonly map = new Map<number, Buf>();
  private readonly ring: Buf[] = [];
  private hand = 0;
  private cachedBytes = 0;
  private slab: Uint8Array = new Uint8Array(0);
  private slabUsed = 0;

  constructor(device: Device, capacityBytes: number) {
    this.device = device;
    this.capacity = capacityBytes;
  }

  /** The verified block at a device address. @throws FsError EUCLEAN damaged, EIO */
  get(addr: number, length: number, ops: BufOps): Buf {
    const hit = this.map.get(addr);
    if (hit !== undefined && hit.length === length) {
      hit.used = true;
      if (hit.ops !== ops && hit.verifiedAs !== ops) this.reverify(hit, ops);
      return hit;
    }
    return this.read([{ addr, length }], length, ops);
  }

  /** As get(), for a block made of several device extents, in their order. @throws FsError EUCLEAN, EIO */
  getMaps(maps: readonly BufMap[], ops: BufOps): Buf {
    const first = maps[0] as BufMap;
    if (maps.length === 1) return this.get(first.addr, first.length, ops);
    const length = totalLength(maps);
    const hit = this.map.get(first.addr);
    if (hit !== undefined && sameMaps(hit.maps, maps)) {
      hit.used = true;
      if (hit.ops !== ops && hit.verifiedAs !== ops) this.reverify(hit, ops);
      return hit;
    }
    return this.read(maps, length, ops);
  }

  /** The cached block that starts at this address, or null; never reads. */
  peek(addr: number): Buf | null {
    return this.map.get(addr) ?? null;
  }

  /** A zero-filled block for a new structure; reads nothing. The caller's transaction must init() it. */
  init(addr: number, length: number, ops: BufOps): Buf {
    return this.initMaps([{ addr, length }], ops);
  }

  /** As init(), for a block made of several device extents. */
  initMaps(maps: readonly BufMap[], ops: BufOps): Buf {
    const buf = new Buf(maps, this.allocate(totalLength(maps)), ops);
    const old = this.map.get(buf.addr);
    if (old !== undefined) {
      buf.replaced = old;
      this.forget(old);
    }
    this.insert(buf);
    return buf;
  }

  /** Keeps the block in the cache until released as often. */
  hold(buf: Buf): void {
    if (!buf.cached) this.revive(buf);
    buf.holds++;
  }

  release(buf: Buf): void {
    if (buf.holds <= 0) throw new Error(`buffer ${buf.ops.name} at ${buf.addr} released more often than held`);
    buf.holds--;
  }

  /** Forgets the block without writing it: it was freed. */
  drop(buf: Buf): void {
    this.markClean(buf);
    buf.pinned = false;
    buf.chunks = null;
    if (buf.cached) this.forget(buf);
  }

  /** Takes an evicted block back, so that it can change. */
  revive(buf: Buf): void {
    if (buf.cached) return;
    const other = this.map.get(buf.addr);
    if (other !== undefined)
      throw new Error(`buffer ${buf.ops.name} at ${buf.addr} is stale: the block was read again`);
    this.insert(buf);
  }

  /** Undoes init(): what the address held before is back. */
  uninit(buf: Buf): void {
    const old = buf.replaced;
    buf.replaced = null;
    this.drop(buf);
    if (old !== null && !this.map.has(old.addr)) this.insert(old);
  }

  markDirty(buf: Buf): void {
    if (!buf.cached) this.revive(buf);
    if (buf.dirty) return;
    buf.dirty = true;
    this.dirty.add(buf);
    this.dirtyBytes += buf.length;
  }

  markClean(buf: Buf): void {
    if (!buf.dirty) return;
    buf.dirty = false;
    this.dirty.delete(buf);
    this.dirtyBytes -= buf.length;
  }

  /** Forgets every block that is neither held nor dirty. */
  trim(): void {
    for (const buf of [...this.map.values()]) {
      if (buf.holds === 0 && !buf.dirty) this.forget(buf);
    }
  }

  private read(maps: readonly BufMap[], length: number, ops: BufOps): Buf {
    const first = maps[0] as BufMap;
    const other = this.map.get(first.addr);
    // Two structures of different length that claim one address: the older one must not be in use.
    if (other !== undefined) {
      if (other.dirty || other.transaction !== 0) {
        throw corrupt({
          structure: ops.name,
          addr: first.addr,
          rule: `the block is in use as ${other.ops.name} of ${other.length} bytes`,
        });
      }
      this.forget(other);
    }
    const buf = new Buf(maps, this.allocate(length), ops);
    let at = 0;
    for (const map of maps) {
      this.device.read(map.addr, buf.bytes.subarray(at, at + map.length));
      at += map.length;
    }
    this.reads++;
    const damage = ops.verify(buf);
    if (damage !== null) throw corrupt(damage);
    this.insert(buf);
    return buf;
  }

  private reverify(buf: Buf, ops: BufOps): void {
    // A dirty block has no valid checksum yet; it was verified before it changed.
    if (!buf.dirty && buf.transaction === 0) {
      const before = buf.ops;
      buf.ops = ops;
      const damage = ops.verify(buf);
      if (damage !== null) {
        buf.ops = before;
        throw corrupt(damage);
      }
    }
    buf.verifiedAs = ops;
  }

  private insert(buf: Buf): void {
    buf.cached = true;
    buf.used = true;
    this.map.set(buf.addr, buf);
    if (this.ring.length > 2 * this.map.size + 64) this.compact();
    else this.ring.push(buf);
    this.cachedBytes += buf.length;
    if (this.cachedBytes > this.capacity) this.evict();
  }

  private forget(buf: Buf): void {
    buf.cached = false;
    if (this.map.get(buf.addr) === buf) this.map.delete(buf.addr);
    this.cachedBytes -= buf.length;
  }

  /** One or two turns of the clock at most: when all is held or dirty the cache is over its size for a while. */
  private evict(): void {
    const target = this.capacity - (this.capacity >> 3);
    let steps = this.ring.length * 2;
    while (this.cachedBytes > target && steps-- > 0 && this.ring.length > 0) {
      if (this.hand >= this.ring.length) this.hand = 0;
      const buf = this.ring[this.hand] as Buf;
      if (!buf.cached || this.map.get(buf.addr) !== buf) this.unlink(this.hand);
      else if (buf.used || buf.holds > 0 || buf.dirty || buf.transaction !== 0) {
        buf.used = false;
        this.hand++;
      } else {
        this.forget(buf);
        this.unlink(this.hand);
      }
    }
  }

  /** Dropped blocks leave entries behind in the ring; without this a cache that never fills would grow. */
  private compact(): void {
    const live = [...this.map.values()];
    this.ring.length = 0;
    for (const buf of live) this.ring.push(buf);
    this.hand = 0;
  }

  private unlink(index: number): void {
    const last = this.ring.pop() as Buf;
    if (index < this.ring.length) this.ring[index] = last;
  }

  /** Zero-filled memory. Small blocks come from slabs: one large allocation instead of many small ones. */
  private allocate(length: number): Uint8Array {
    if (length > SLAB / 8) return new Uint8Array(length);
    if (this.slabUsed + length > this.slab.length) {
      this.slab = new Uint8Array(SLAB);
      this.slabUsed = 0;
    }
    const bytes = this.slab.subarray(this.slabUsed, this.slabUsed + length);
    this.slabUsed += (length + 7) & ~7;
    return bytes;
  }
}

function totalLength(maps: readonly BufMap[]): number {
  let length = 0;
  for (const map of maps) length += map.length;
  return length;
}

function sameMaps(a: readonly BufMap[], b: readonly BufMap[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) {
    if (a[i]?.addr !== b[i]?.addr || a[i]?.length !== b[i]?.length) return false;
  }
  return true;
}
