/**
 * The C library's random(3) after srandom(3): additive feedback over 31 words (r[i] = r[i-3] + r[i-31]), so that
 * `pread -R -Z 7` visits the same offsets as xfs_io.
 */
const DEGREE = 31;
const SEPARATION = 3;

/** The sequence of random(3) for a seed: numbers from 0 to 2^31 - 1. */
export function randomSequence(seed: number): () => number {
  const state = new Int32Array(DEGREE);
  let word = seed >>> 0 === 0 ? 1 : seed | 0;
  for (let i = 0; i < DEGREE; i++) {
    state[i] = word;
    // The minimal standard generator, kept positive; a seed above 2^31 starts negative, as in C.
    word = Number((BigInt(word) * 16807n) % 2147483647n);
    if (word < 0) word += 2147483647;
  }
  let front = SEPARATION;
  let rear = 0;
  const next = () => {
    const sum = ((state[front] as number) + (state[rear] as number)) | 0;
    state[front] = sum;
    front = (front + 1) % DEGREE;
    rear = (rear + 1) % DEGREE;
    return sum >>> 1;
  };
  for (let i = 0; i < DEGREE * 10; i++) next();
  return next;
}
