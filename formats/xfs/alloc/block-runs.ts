/** Runs of blocks that are dealt with together, as columns. */
export class BlockRuns {
  count = 0;
  readonly fsb: Float64Array;
  readonly length: Float64Array;
  private ordered = true;

  constructor(capacity: number) {
    this.fsb = new Float64Array(capacity);
    this.length = new Float64Array(capacity);
  }

  clear(): void {
    this.count = 0;
    this.ordered = true;
  }

  add(fsb: number, length: number): void {
    const at = this.count++;
    if (at > 0 && fsb < (this.fsb[at - 1] as number)) this.ordered = false;
    this.fsb[at] = fsb;
    this.length[at] = length;
  }

  /** Brings the runs into the order of their blocks. */
  sort(): void {
    if (this.ordered) return;
    const { fsb, length, count } = this;
    const order = Array.from({ length: count }, (_, i) => i).sort((a, b) => (fsb[a] as number) - (fsb[b] as number));
    const sortedFsb = order.map((i) => fsb[i] as number);
    const sortedLength = order.map((i) => length[i] as number);
    fsb.set(sortedFsb);
    length.set(sortedLength);
    this.ordered = true;
  }
}
