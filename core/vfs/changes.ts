/** What differs between two states of an image, structure by structure: what --dry-run and diff tell. */
import type { Device } from '../device/device.ts';

/** A state of an image: the devices as mounting takes them. */
export interface ImageState {
  readonly device: Device;
  /** Further devices of the file system. */
  readonly devices: readonly Device[];
}

/** A range of device bytes in which the two states may differ. */
export interface ByteRange {
  readonly addr: number;
  readonly length: number;
}

/** One difference. Names of structures and fields are those that the format's own tools print. */
export interface StructureChange {
  /** `agf 0`, `inode 132`, `refcountbt ag 0`. */
  readonly structure: string;
  /**
   * `field`: a value changed; `add`, `remove`: a record of it (or without a record the whole structure) came or went;
   * `data`: bytes of a file changed, or of blocks that nothing names.
   */
  readonly change: 'field' | 'add' | 'remove' | 'data';
  /** Device byte address of the structure; null where it lies in several places. */
  readonly addr: number | null;
  /** Which one, where one changed. */
  readonly field?: string;
  /** Values as the format's tools print them; null where there was, or is, none. */
  readonly from?: string | null;
  /** The value afterwards. */
  readonly to?: string | null;
  /** The record, as the format's tools print it. */
  readonly record?: string;
  /** Changed bytes of a file (or of the device, where `structure` is no file). */
  readonly start?: number;
  /** How many they are. */
  readonly length?: number;
}

/**
 * Tells what differs between two states of an image of one format; checksums and log positions, which follow from the
 * rest, are left out. `ranges` limits where bytes may differ; null: anywhere. @throws FsError EINVAL for images that
 * cannot be compared, and what opening them refuses
 */
export type DescribeChanges = (
  before: ImageState,
  after: ImageState,
  ranges: readonly ByteRange[] | null,
) => Iterable<StructureChange>;
