/** An item of a leaf under judgement, and what its rules depend on. */
import type { ChecksumKind } from '../checksum.ts';
import type { Key } from '../structure/key.ts';

/** What the rules depend on. */
export interface VerifyContext {
  readonly csum: ChecksumKind;
  readonly sectorSize: number;
  readonly nodeSize: number;
  readonly skinnyMetadata: boolean;
  readonly readOnly: boolean;
  /** The superblock's generation; blocks of the running transaction and of log trees are one above. */
  generation(): number;
  /** True if blocks with this file system id belong here: this file system's own, or its seeds'. */
  ownsFsid(bytes: Uint8Array, at: number): boolean;
}

/** The item whose `size` bytes of data begin at `at`. */
export interface ItemAt {
  context: VerifyContext;
  view: DataView;
  slot: number;
  key: Key;
  /** The key before, all zero for the first. */
  previous: Key;
  /** The tree that the leaf was made for. */
  owner: number;
  at: number;
  size: number;
}
