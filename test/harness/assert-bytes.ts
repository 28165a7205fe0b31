/** Equality of byte arrays that says where the first difference is instead of printing both. */
import * as assert from 'uvu/assert';

/** Throws unless both hold the same bytes; `what` begins the message. */
export function assertBytes(actual: Uint8Array, expected: Uint8Array, what = 'bytes'): void {
  if (Buffer.compare(actual, expected) === 0) return;
  const shorter = Math.min(actual.length, expected.length);
  let at = 0;
  while (at < shorter && actual[at] === expected[at]) at++;
  const show = (bytes: Uint8Array) => Buffer.from(bytes.subarray(at, at + 16)).toString('hex');
  assert.unreachable(
    `${what}: differ from byte ${at} on: ${show(actual)}… (${actual.length} bytes), ` +
      `expected ${show(expected)}… (${expected.length} bytes)`,
  );
}
