/** The two lines that end an I/O command: how much, how many operations, how fast (xfs_io's report_io_times). */
import { fixed } from '../core/fixed.ts';
import type { TextSink } from './text.ts';

/** What an I/O command did. Bytes; seconds. */
export interface IoReport {
  /** `wrote`, `read`, … */
  readonly verb: string;
  /** A real position; as all here a bigint where a number would round. */
  readonly offset: number | bigint;
  /** Bytes asked for. */
  readonly count: number | bigint;
  /** Bytes done. */
  readonly total: number;
  /** Calls made. */
  readonly ops: number;
  /** Time that they took. */
  readonly seconds: number;
}

/** A clock started now; the result tells the seconds since, at least one microsecond. */
export function stopwatch(): () => number {
  const start = process.hrtime();
  return () => {
    const [seconds, nanoseconds] = process.hrtime(start);
    return Math.max(1e-6, seconds + nanoseconds / 1e9);
  };
}

/** Prints the report; `condensed` gives one line of comma separated numbers. */
export function writeReport(report: IoReport, condensed: boolean, out: TextSink): void {
  const { verb, offset, count, total, ops, seconds } = report;
  if (condensed) {
    const time = clockTime(seconds);
    out.write(`${total},${ops},${time},${(total / seconds).toFixed(3)},${(ops / seconds).toFixed(3)}\n`);
    return;
  }
  out.write(`${verb} ${total}/${count} bytes at offset ${offset}\n${rates(report, ';')}\n`);
}

/** How much in how many operations and how fast, as one line. */
export function rates(
  { total, ops, seconds }: Pick<IoReport, 'total' | 'ops' | 'seconds'>,
  separator: ';' | ',',
): string {
  const time = seconds >= 1 ? clockTime(seconds) : `0.${String(Math.floor(seconds * 1e4)).padStart(4, '0')} sec`;
  const rate = `${humanSize(total / seconds)}/sec and ${(ops / seconds).toFixed(4)} ops/sec`;
  return `${humanSize(total)}, ${ops} ops${separator} ${time} (${rate})`;
}

/** Hours, minutes, seconds and hundredths. */
export function clockTime(seconds: number): string {
  const two = (value: number) => String(Math.floor(value)).padStart(2, '0');
  const hundredths = two((seconds % 1) * 100);
  return `${Math.floor(seconds / 3600)}:${two((seconds / 60) % 60)}:${two(seconds % 60)}.${hundredths}`;
}

const UNITS = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];

/** A size with its unit; three decimals unless it is a whole number of bytes below 2 GiB, as xfs_io does it. */
function humanSize(bytes: number): string {
  if (bytes < 1024) return `${bytes.toFixed(6)} bytes`;
  const step = Math.min(UNITS.length, Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 2 ** (10 * step);
  const whole = Number.isInteger(bytes) && bytes < 2 ** 31;
  return `${fixed(value, whole ? 0 : 3)} ${UNITS[step - 1]}`;
}
