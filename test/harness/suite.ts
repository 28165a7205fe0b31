/** Suites that need something of the host: without it every test is skipped, counted, and the reason is said. */
import { suite, type Test } from 'uvu';

/** A uvu suite; with a `missing` reason all its tests become skips (test/run.mjs fails them where CI is set). */
export function gatedSuite(name: string, missing: string | null): Test {
  const real = suite(name);
  if (missing === null) return real;
  process.stdout.write(`# skip ${name}: ${missing}\n`);
  return Object.assign((...args: Parameters<Test['skip']>) => real.skip(...args), real) as Test;
}
