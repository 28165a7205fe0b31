/**
 * Whether bytes look as if compressing them were worth the time, by a sample of them (kernel:
 * fs/btrfs/compression.c, btrfs_compress_heuristic): few different bytes, a small set of frequent ones, or low entropy.
 */

const SAMPLE = 16;
const INTERVAL = 256;
/** No more than this is looked at. */
const MAX_LENGTH = 128 * 1024;
const SET_THRESHOLD = 64;
const CORE_LOW = 64;
const CORE_HIGH = 200;
const ENTROPY_HIGH = 80;

const sample = new Uint8Array((MAX_LENGTH / INTERVAL + 32) * SAMPLE);
const counts = new Uint32Array(256);

/** True if `data`, whole sectors from a multiple of the page size on, may compress. */
export function looksCompressible(data: Uint8Array): boolean {
  const size = takeSample(data);
  const half = size >> 1;
  if (Buffer.compare(sample.subarray(0, half), sample.subarray(half, 2 * half)) === 0) return true;
  counts.fill(0);
  for (let i = 0; i < size; i++) {
    const byte = sample[i] as number;
    counts[byte] = (counts[byte] as number) + 1;
  }
  let different = 0;
  for (const count of counts) if (count > 0) different++;
  if (different < SET_THRESHOLD) return true;
  const sorted = Array.from(counts).sort((a, b) => b - a);
  const core = coreSetSize(sorted, Math.floor((size * 90) / 100));
  if (core <= CORE_LOW) return true;
  if (core >= CORE_HIGH) return false;
  return entropyPercent(sorted, size) < ENTROPY_HIGH;
}

function takeSample(data: Uint8Array): number {
  const last = Math.min(data.length - 1, MAX_LENGTH) - SAMPLE;
  let size = 0;
  for (let at = 0; at <= last; at += INTERVAL) {
    sample.set(data.subarray(at, at + SAMPLE), size);
    size += SAMPLE;
  }
  return size;
}

/** How many of the most frequent bytes make up `threshold` of the sample. */
function coreSetSize(sorted: readonly number[], threshold: number): number {
  let sum = 0;
  let i = 0;
  for (; i < CORE_LOW; i++) sum += sorted[i] as number;
  if (sum > threshold) return i;
  for (; i < CORE_HIGH && (sorted[i] as number) > 0; i++) {
    sum += sorted[i] as number;
    if (sum > threshold) break;
  }
  return i;
}

/** Shannon's entropy in percent of eight bits a byte, by whole logarithms of fourth powers as Linux reckons it. */
function entropyPercent(sorted: readonly number[], size: number): number {
  const log = (n: number): number => Math.floor(4 * Math.log2(n) + 1e-9);
  const base = log(size);
  let sum = 0;
  for (const count of sorted) if (count > 0) sum += count * (base - log(count));
  return Math.floor((Math.floor(sum / size) * 100) / (8 * log(2)));
}
