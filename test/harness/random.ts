/** Seeded chance: every random test takes its numbers from here and prints its seed. */

/** A stream of numbers that the seed alone decides. */
export class Random {
  readonly seed: number;
  #state: number;

  constructor(seed: number) {
    this.seed = seed >>> 0;
    this.#state = this.seed;
  }

  /** An integer from 0 to `limit` - 1. */
  below(limit: number): number {
    return Math.floor(this.unit() * limit);
  }

  /** An integer from `low` to `high`, both included. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  /** True once in `n` times. */
  oneIn(n: number): boolean {
    return this.below(n) === 0;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }

  /** A number in [0, 1). */
  unit(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let x = this.#state;
    x = Math.imul(x ^ (x >>> 15), x | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 0x1_0000_0000;
  }
}

/** A change is judged by what CI ran before it, so CI always runs the same sample; others go on searching. */
const CI_SEED = 137080383;

/** The seed of this run: FSIO_SEED, in CI a fixed one, else the time. Printed, so that a failure can be run again. */
export function announceSeed(test: string): number {
  const seed = Number(process.env.FSIO_SEED ?? (process.env.CI ? CI_SEED : Date.now() % 0x7fffffff));
  process.stdout.write(`\n# seed ${seed} (${test}; run again with FSIO_SEED=${seed})\n`);
  return seed;
}

/** How often to repeat: a bounded sample, or FSIO_LONG times as many for a campaign. */
export function rounds(sample: number): number {
  return Math.round(sample * Number(process.env.FSIO_LONG ?? 1));
}

/** `count` of the items, spread evenly and begun where the seed says; all of them in a campaign (FSIO_LONG). */
export function sample<T>(items: readonly T[], count: number, seed: number): readonly T[] {
  if (process.env.FSIO_LONG !== undefined || count >= items.length) return items;
  const chosen = new Set(
    Array.from({ length: count }, (_, i) => (seed + Math.floor((i * items.length) / count)) % items.length),
  );
  return items.filter((_, index) => chosen.has(index));
}
