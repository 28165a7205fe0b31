/** Who uses the space of an image: what the map of the whole file system draws. */

/** What a run of device bytes is used for. */
export type SpaceUse = 'free' | 'metadata' | 'inodes' | 'log' | 'data' | 'shared' | 'prealloc' | 'staged' | 'unknown';

/** A part of the image that is told for itself: an allocation group, a chunk. Bytes of the device. */
export interface SpaceBand {
  readonly name: string;
  readonly addr: number;
  readonly length: number;
}

export interface SpaceRun {
  readonly addr: number;
  readonly length: number;
  readonly use: SpaceUse;
  /** Whose it is, in words; '' where nothing is to say. */
  readonly owner: string;
}

/** What a file system tells of its space. */
export interface SpaceMap {
  readonly bands: readonly SpaceBand[];
  /** Shows `visit` every run by rising address, until it answers false. @throws FsError */
  runs(visit: (run: SpaceRun) => boolean): void;
  /** Inode numbers that use the bytes, besides `ino`; null when asking would take too long. @throws FsError */
  sharers(ino: number, addr: number, length: number): readonly number[] | null;
}
