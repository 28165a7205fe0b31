/**
 * Extents that were freed in the running transaction. The committed trees still use them, so nothing may be written
 * there before the next superblock is on disk: only then do they go back to the free space.
 */

/** Freed ranges, given back together after the commit. */
export class PinnedExtents {
  private readonly ranges: { bytenr: number; length: number }[] = [];
  /** Bytes in all. */
  bytes = 0;

  add(bytenr: number, length: number): void {
    this.ranges.push({ bytenr, length });
    this.bytes += length;
  }

  /** Hands every range to `give`, by address, and forgets them. */
  release(give: (bytenr: number, length: number) => void): void {
    this.ranges.sort((a, b) => a.bytenr - b.bytenr);
    for (const { bytenr, length } of this.ranges) give(bytenr, length);
    this.ranges.length = 0;
    this.bytes = 0;
  }
}
