/** Runs the built command line, as a user would. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Outcome, run } from './kernel.ts';

/** FSIO_PROGRAM: another script to judge in its place. */
const program = process.env.FSIO_PROGRAM ?? join(process.cwd(), 'dist', 'fsio.js');

/** Why there is no command line to run, or null. */
export function missingFsio(): string | null {
  return existsSync(program) ? null : 'needs dist/fsio.js (npm run build)';
}

/** `fsio ARGS`, with a script on standard input if given. A crash (a stack trace) throws: it is never an answer. */
export function fsio(args: readonly string[], input = '', seconds = 60): Outcome {
  const outcome = run(process.execPath, [program, ...args], { input, seconds });
  if (/\n\s+at .*[:(]\d+|^node:internal|Node\.js v\d/m.test(outcome.stderr)) {
    throw new Error(`fsio ${args.join(' ')}: crashed:\n${outcome.stderr}\n${input.slice(0, 2000)}`);
  }
  return outcome;
}

/** Commands on one file of an image: `fsio -c … IMAGE:PATH`. */
export function fsioOn(
  image: string,
  path: string,
  commands: readonly string[],
  flags: readonly string[] = [],
): Outcome {
  return fsio([...flags, ...commands.flatMap((command) => ['-c', command]), `${image}:${path}`]);
}
