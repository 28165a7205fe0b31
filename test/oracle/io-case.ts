/** How a case is written down. */
import type { Case } from './io-compare.ts';

/** With links of all kinds. */
export const linked = (one: Case): Case => ({
  ...one,
  setup: 'ln -s small link; ln -s none dangling; ln -s dir dirlink; ln -s loop loop; mknod null c 1 3',
});
/** With a pipe. */
export const piped = (one: Case): Case => ({ ...one, setup: 'mkfifo fifo' });
/** The commands as a script on standard input. */
export const script = (flags: string, path: string, ...commands: string[]): Case => ({
  path,
  commands,
  script: true,
  flags: flags.split(' ').filter((word) => word !== ''),
});
export const on = (path: string, ...commands: string[]): Case => ({ path, commands });
export const reading = (path: string, ...commands: string[]): Case => ({ path, commands, flags: ['-r'] });
export const withFlags = (flags: string, path: string, ...commands: string[]): Case => ({
  path,
  commands,
  flags: flags.split(' '),
});
