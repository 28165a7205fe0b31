/** Ranges of numbers that something is known of: what touches is one range. */
export class SeenRanges {
  /** Starts and ends by turns, rising. */
  private readonly edges: number[] = [];

  /** The end of the range that `at` lies in, or `at` if it lies in none. */
  endAt(at: number): number {
    const i = this.after(at);
    return i % 2 === 1 ? (this.edges[i] as number) : at;
  }

  /** Adds [from, to), which is not empty. */
  add(from: number, to: number): void {
    const { edges } = this;
    let first = this.after(from);
    let last = this.after(to);
    // A range that ends just where this one starts.
    if (first % 2 === 0 && edges[first - 1] === from) first--;
    const inner: number[] = [];
    if (first % 2 === 0) inner.push(from);
    if (last % 2 === 0) inner.push(to);
    if (last < first) last = first;
    edges.splice(first, last - first, ...inner);
  }

  /** How many edges lie at or before `at`. */
  private after(at: number): number {
    const { edges } = this;
    let low = 0;
    let high = edges.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((edges[middle] as number) <= at) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
