/**
 * The cache of tree blocks, by logical address. What it hands out was verified when it was read: checksum, own
 * address, file system, level, generation, owner, order and bounds of items, and each item by its type's rules
 * (verify.ts). A copy that fails is replaced by the next one; when all fail, the error names the first.
 *
 * Invariants: at most one cached block per address; a dirty or held block is never evicted; a block that is not dirty
 * equals the disk. Eviction is a clock, as in core/buffer-cache.ts; an evicted block keeps its bytes, so that a cursor
 * that still has it reads what was true.
 */
import { corrupt, type Damage, describeDamage, FsError } from '../../../core/errors.ts';
import { seal } from '../checksum.ts';
import { HEADER_SIZE, Header, HeaderFlag, KEY_PTR_SIZE, KeyPtr, MIXED_BACKREF_REV } from '../structure/block.ts';
import { readU64 } from '../structure/fields.ts';
import { Key } from '../structure/key.ts';
import { treeText } from '../structure/key-names.ts';
import { DeviceMissing } from '../volumes/member.ts';
import type { VerifyContext } from './item-at.ts';
import { clearFree as clearLeaf } from './leaf.ts';
import { clearFree as clearNode } from './node.ts';
import { type Expected, itemsFault, verifyBlock } from './verify.ts';

const SLAB = 512 * 1024;
/** Addresses are multiples of it: the smallest sector. */
const UNIT = 4096;
const GENERATION: number = Header.at.generation;
const BLOCKPTR: number = KeyPtr.at.blockptr;
const CHILD_GENERATION: number = KeyPtr.at.generation;
/** Notes of bad copies kept for the user; a device that is all bad must not fill the memory. */
const MOST_HEALED = 16;

/** Where tree blocks are read from: every copy by itself. */
export interface MirrorReader {
  mirrors(bytenr: number): number;
  readMirror(bytenr: number, into: Uint8Array, mirror: number): void;
}

/** One tree block. */
export class TreeBlock {
  readonly bytenr: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Belongs to the running transaction: changed in place, not on disk yet. */
  dirty = false;
  /** When it was made, on the transaction's clock of births. */
  born = 0;
  /** How many users want it to stay cached. */
  holds = 0;
  cached = false;
  /** Used since the clock's hand passed. */
  used = true;

  constructor(bytenr: number, bytes: Uint8Array) {
    this.bytenr = bytenr;
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  get level(): number {
    return this.bytes[Header.at.level] as number;
  }

  get nritems(): number {
    return this.view.getUint32(Header.at.nritems, true);
  }

  get generation(): number {
    return readU64(this.view, GENERATION);
  }

  get owner(): number {
    return Header.get.owner(this.view, 0);
  }

  /** The low 32 bits: HeaderFlag. */
  get flags(): number {
    return Header.get.flags(this.view, 0);
  }

  /** Address of the child at `slot` of a node. */
  childBytenr(slot: number): number {
    return readU64(this.view, HEADER_SIZE + slot * KEY_PTR_SIZE + BLOCKPTR);
  }
}

export interface TreeBlocksOptions {
  readonly reader: MirrorReader;
  readonly context: VerifyContext;
  readonly capacityBytes: number;
  /** What new blocks carry. */
  readonly fsid: Uint8Array;
  readonly chunkTreeUuid: () => Uint8Array;
  /** The generation of new blocks. */
  readonly transid: () => number;
}

const wanted: Expected = { bytenr: 0, level: 0, generation: 0, owner: 0, firstKey: null };
const childKey = new Key();

/** A cache of about `capacityBytes` of clean tree blocks. */
export class TreeBlocks {
  /** Copies that were bad while another was good, one line each; the first few. */
  readonly healed: string[] = [];
  /** Blocks read from the devices so far. */
  reads = 0;
  private readonly options: TreeBlocksOptions;
  private readonly nodeSize: number;
  /** By address in UNITs: small integers are found faster. */
  private readonly map = new Map<number, TreeBlock>();
  private readonly dirty = new Set<TreeBlock>();
  private readonly ring: TreeBlock[] = [];
  private hand = 0;
  private slab: Uint8Array = new Uint8Array(0);
  private slabUsed = 0;

  constructor(options: TreeBlocksOptions) {
    this.options = options;
    this.nodeSize = options.context.nodeSize;
  }

  /**
   * The verified block at a logical address. `generation` is what its parent says (0: unknown), `owner` the id of the
   * tree that it is read for (0: unknown). @throws FsError EUCLEAN damaged, EIO unreadable
   */
  read(bytenr: number, level: number, generation: number, owner: number, firstKey: Key | null = null): TreeBlock {
    const hit = this.map.get(bytenr / UNIT);
    if (hit !== undefined) {
      hit.used = true;
      if (hit.level !== level) throw mismatch(hit, 'level', hit.level, level);
      if (generation !== 0 && hit.generation !== generation) {
        throw mismatch(hit, 'generation', hit.generation, generation);
      }
      return hit;
    }
    wanted.bytenr = bytenr;
    wanted.level = level;
    wanted.generation = generation;
    wanted.owner = owner;
    wanted.firstKey = firstKey;
    const block = new TreeBlock(bytenr, this.allocate());
    this.readVerified(block);
    this.insert(block);
    return block;
  }

  /** The child at `slot` of a node of the tree `owner`. @throws FsError EUCLEAN, EIO */
  readChild(parent: TreeBlock, slot: number, owner: number): TreeBlock {
    const { view } = parent;
    const at = HEADER_SIZE + slot * KEY_PTR_SIZE;
    const bytenr = readU64(view, at + BLOCKPTR);
    const generation = readU64(view, at + CHILD_GENERATION);
    const hit = this.map.get(bytenr / UNIT);
    if (hit !== undefined && hit.level === parent.level - 1 && hit.generation === generation) {
      hit.used = true;
      return hit;
    }
    return this.read(bytenr, parent.level - 1, generation, owner, childKey.read(view, at));
  }

  /** The cached block at an address, or undefined; never reads. */
  cached(bytenr: number): TreeBlock | undefined {
    return this.map.get(bytenr / UNIT);
  }

  /** A new, empty block of the running transaction at an address that was just allocated. */
  create(bytenr: number, level: number, owner: number): TreeBlock {
    const old = this.map.get(bytenr / UNIT);
    if (old !== undefined) this.forget(old);
    const block = new TreeBlock(bytenr, this.allocate());
    const { view } = block;
    Header.set.fsid(view, 0, this.options.fsid);
    Header.set.bytenr(view, 0, bytenr);
    Header.set.backref_rev(view, 0, MIXED_BACKREF_REV);
    Header.set.chunk_tree_uuid(view, 0, this.options.chunkTreeUuid());
    Header.set.generation(view, 0, this.options.transid());
    Header.set.owner(view, 0, owner);
    Header.set.level(view, 0, level);
    // First, so that making room for it does not take it away again.
    this.markDirty(block);
    this.insert(block);
    return block;
  }

  /** Blocks of the running transaction. */
  dirtyBlocks(): Iterable<TreeBlock> {
    return this.dirty;
  }

  get dirtyCount(): number {
    return this.dirty.size;
  }

  markDirty(block: TreeBlock): void {
    block.dirty = true;
    this.dirty.add(block);
  }

  /**
   * Makes a changed block fit to be written: nothing of deleted items stays in it, its checksum is right. It is judged
   * by the rules for blocks that are read, so that no mistake reaches the disk. @throws FsError EUCLEAN
   */
  prepareWrite(block: TreeBlock): void {
    const { view, bytes } = block;
    if (block.level === 0) clearLeaf(block);
    else clearNode(block);
    const fault = itemsFault(this.options.context, view);
    if (fault !== null) {
      // Items of a damaged image that met only now, in one block; or a mistake of ours.
      throw corrupt({ ...fault, structure: `${treeText(block.owner)}, block to be written`, addr: block.bytenr });
    }
    Header.set.flags(view, 0, block.flags | HeaderFlag.WRITTEN);
    seal(this.options.context.csum, bytes);
  }

  /** The block is on disk as it is here. */
  clean(block: TreeBlock): void {
    block.dirty = false;
    this.dirty.delete(block);
  }

  /** The block is not used any more: it is dropped without being written. */
  forget(block: TreeBlock): void {
    this.clean(block);
    block.cached = false;
    if (this.map.get(block.bytenr / UNIT) === block) this.map.delete(block.bytenr / UNIT);
  }

  /** Takes back forget() of a block of the running transaction. */
  restore(block: TreeBlock): void {
    const other = this.map.get(block.bytenr / UNIT);
    if (other !== undefined && other !== block) this.forget(other);
    // First, so that making room for it does not take it away again.
    this.markDirty(block);
    this.insert(block);
  }

  hold(block: TreeBlock): void {
    block.holds++;
  }

  release(block: TreeBlock): void {
    block.holds--;
  }

  /** Forgets every clean block, for tests and after the devices changed by other means. */
  trim(): void {
    for (const block of [...this.map.values()]) if (!block.dirty && block.holds === 0) this.forget(block);
  }

  /** Tries the copies in turn. @throws FsError EUCLEAN or EIO of the first when none is good */
  private readVerified(block: TreeBlock): void {
    const { reader, context } = this.options;
    this.reads++;
    const count = reader.mirrors(block.bytenr);
    let first: FsError | null = null;
    let bad: FsError | null = null;
    for (let mirror = 1; mirror <= count; mirror++) {
      const failure = this.tryMirror(block, mirror, context);
      if (failure === null) {
        if (bad !== null) this.noteHealed(bad, mirror);
        return;
      }
      first ??= failure;
      if (!(failure instanceof DeviceMissing)) bad ??= failure;
    }
    throw first ?? corrupt({ structure: 'tree block', addr: block.bytenr, rule: 'no copy' });
  }

  private tryMirror(block: TreeBlock, mirror: number, context: VerifyContext): FsError | null {
    try {
      this.options.reader.readMirror(block.bytenr, block.bytes, mirror);
    } catch (error) {
      if (error instanceof FsError && error.code === 'EIO') return error;
      throw error;
    }
    const damage = verifyBlock(context, block.view, block.bytes, wanted);
    if (damage === null) return null;
    return corrupt({ ...damage, structure: `${blockName(block, wanted.owner)} (copy ${mirror})`, addr: block.bytenr });
  }

  private noteHealed(failure: FsError, mirror: number): void {
    if (this.healed.length >= MOST_HEALED) return;
    const what = failure.damage === undefined ? failure.message : describeDamage(failure.damage);
    this.healed.push(`${what}; copy ${mirror} is good`);
  }

  private insert(block: TreeBlock): void {
    block.cached = true;
    block.used = true;
    this.map.set(block.bytenr / UNIT, block);
    if (this.ring.length > 2 * this.map.size + 64) this.compact();
    else this.ring.push(block);
    if (this.map.size * this.nodeSize > this.options.capacityBytes) this.evict();
  }

  /** Two turns of the clock at most: when all is dirty or held the cache is over its size for a while. */
  private evict(): void {
    const { capacityBytes } = this.options;
    const target = (capacityBytes - (capacityBytes >> 3)) / this.nodeSize;
    // Dirty blocks stay anyway: they must not make every new block search the whole ring.
    let excess = this.map.size - this.dirty.size - Math.max(64, target - this.dirty.size);
    let steps = Math.min(this.ring.length * 2, 4096 + excess * 4);
    while (excess > 0 && steps-- > 0 && this.ring.length > 0) {
      if (this.hand >= this.ring.length) this.hand = 0;
      const block = this.ring[this.hand] as TreeBlock;
      if (!block.cached || this.map.get(block.bytenr / UNIT) !== block) this.unlink(this.hand);
      else if (block.used || block.holds > 0 || block.dirty) {
        block.used = false;
        this.hand++;
      } else {
        block.cached = false;
        this.map.delete(block.bytenr / UNIT);
        this.unlink(this.hand);
        excess--;
      }
    }
  }

  /** Dropped blocks leave entries behind in the ring; without this a cache that never fills would grow. */
  private compact(): void {
    this.ring.length = 0;
    for (const block of this.map.values()) this.ring.push(block);
    this.hand = 0;
  }

  private unlink(index: number): void {
    const last = this.ring.pop() as TreeBlock;
    if (index < this.ring.length) this.ring[index] = last;
  }

  /** Zero-filled memory; from slabs, since one large allocation is cheaper than many small ones. */
  private allocate(): Uint8Array {
    if (this.slabUsed + this.nodeSize > this.slab.length) {
      this.slab = new Uint8Array(SLAB);
      this.slabUsed = 0;
    }
    const bytes = this.slab.subarray(this.slabUsed, this.slabUsed + this.nodeSize);
    this.slabUsed += this.nodeSize;
    return bytes;
  }
}

function blockName(block: TreeBlock, owner: number): string {
  const kind = wanted.level === 0 ? 'leaf' : 'node';
  return owner === 0 ? `tree ${kind} ${block.bytenr}` : `${kind} of ${treeText(owner)}`;
}

function mismatch(block: TreeBlock, field: string, value: number, expected: number): FsError {
  const damage: Damage = {
    structure: 'tree block',
    addr: block.bytenr,
    field,
    value: String(value),
    rule: `its parent says ${expected}`,
  };
  return corrupt(damage);
}
