/** Extents of a file in columns: a walk over a million of them makes no objects. */

/** Extents that fit. */
const MOST = 1024;

/** A piece of a file's extents, as FIEMAP tells them: places and lengths in bytes. */
export class ExtentColumns {
  count = 0;
  readonly logical: Float64Array = new Float64Array(MOST);
  readonly physical: Float64Array = new Float64Array(MOST);
  readonly length: Float64Array = new Float64Array(MOST);
  /** FIEMAP_EXTENT_* bits. */
  readonly flags: Uint32Array = new Uint32Array(MOST);

  /** How many more fit. */
  get room(): number {
    return MOST - this.count;
  }

  /** Puts an extent behind the others; there must be room. */
  push(logical: number, physical: number, length: number, flags: number): void {
    const i = this.count++;
    this.logical[i] = logical;
    this.physical[i] = physical;
    this.length[i] = length;
    this.flags[i] = flags;
  }

  /** Forgets all but the last one. */
  keepLast(): void {
    const last = this.count - 1;
    if (last <= 0) return;
    this.count = 0;
    this.push(
      this.logical[last] as number,
      this.physical[last] as number,
      this.length[last] as number,
      this.flags[last] as number,
    );
  }
}
