/** Numbers with a fixed count of decimals, as C's printf writes them. */

/**
 * printf's "%.Nf" of a finite number that is not negative. Where the value lies exactly half-way, as 1.625 does for two
 * decimals, C takes the even digit; toFixed() takes the larger.
 */
export function fixed(value: number, decimals: number): string {
  // Half-way at N decimals means a whole number of halves of 10^-N: a fraction of at most N + 1 binary digits.
  if (!Number.isInteger(value * 2 ** (decimals + 1))) return value.toFixed(decimals);
  const scale = 10 ** decimals;
  const scaled = value * scale;
  const floor = Math.floor(scaled);
  if (scaled - floor !== 0.5) return value.toFixed(decimals);
  return ((floor % 2 === 0 ? floor : floor + 1) / scale).toFixed(decimals);
}
