/**
 * What a long script tells V8. Its lines reach hundreds of functions, and for seconds the optimizing compiler is behind:
 * functions wait for it in slow code. It compiles nearly twice as fast when it does not inline large functions, and
 * what runs then is hardly slower.
 */
import { setFlagsFromString } from 'node:v8';

/** Lines after which a script is long. Code that is loaded from then on is compiled anew, not taken from the cache. */
export const LONG_SCRIPT = 500;

/** The last version of node that is known to have the flag: one without it would complain on stderr. */
const LAST_KNOWN = 24;

export function inlineLess(): void {
  if (Number.parseInt(process.versions.node, 10) > LAST_KNOWN) return;
  // By this flag V8 only decides what to inline next: it may change at any time.
  setFlagsFromString('--max-inlined-bytecode-size-cumulative=200');
}
