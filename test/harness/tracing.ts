/** The running kernel's iomap tracepoints, while something happens on one mount; in a trace buffer of our own. */
import { existsSync, mkdirSync, readFileSync, rmdirSync, statSync, writeFileSync } from 'node:fs';
import { run } from './kernel.ts';

const root = '/sys/kernel/tracing';

/** Why the tracepoints cannot be read, or null. */
export function missingTracing(): string | null {
  if (!existsSync(`${root}/events`)) run('mount', ['-t', 'tracefs', 'none', root]);
  if (!existsSync(`${root}/events/iomap`)) return 'needs tracefs with the iomap events';
  return existsSync(`${root}/instances`) ? null : 'needs tracefs with instances';
}

let instance: string | null = null;

/** A trace buffer of this process; it records while `tracing_on` says so. */
function openInstance(): string {
  const made = `${root}/instances/fsio-${process.pid}`;
  mkdirSync(made);
  process.on('exit', () => rmdirSync(made));
  writeFileSync(`${made}/tracing_on`, '0');
  writeFileSync(`${made}/buffer_size_kb`, '8192');
  writeFileSync(`${made}/events/iomap/enable`, '1');
  return made;
}

/** The trace lines about the file system mounted at `dir` that `act` causes. */
export function kernelTrace(dir: string, act: () => void): string[] {
  instance ??= openInstance();
  writeFileSync(`${instance}/trace`, '');
  writeFileSync(`${instance}/tracing_on`, '1');
  try {
    act();
  } finally {
    writeFileSync(`${instance}/tracing_on`, '0');
  }
  const device = `dev ${deviceOf(dir)} `;
  return readFileSync(`${instance}/trace`, 'latin1')
    .split('\n')
    .filter((line) => line.includes(device));
}

/** `major:minor` as the tracepoints print it. */
function deviceOf(dir: string): string {
  const { dev } = statSync(dir);
  return `${Math.floor(dev / 256) & 0xfff}:${(dev & 0xff) + (Math.floor(dev / 0x10_0000) & 0xfff) * 256}`;
}
