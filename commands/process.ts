/** crc32cselftest and getrusage: about the program itself (xfs_io's io/crc32cselftest.c, io/getrusage.c). */
import { crc32c } from '../core/checksum.ts';
import { command, usage } from './command.ts';
import { CommandFailure } from './failure.ts';
import { clockTime, stopwatch } from './report.ts';

/** The digits 1 to 9, what their CRC is, and how often they are looked at: alone, and cut in two among other bytes. */
const DIGITS = Buffer.from('123456789');
const KNOWN = 0xe3069283;
const ROUNDS = 2508;
/** xfs_io's own test takes this many bytes and says so; a longer piece, whole and in parts, makes up the rest. */
const TOTAL = 225_944;

export const crc32cselftest = command({
  name: 'crc32cselftest',
  count: [0, 0],
  about: 'test the checksum of metadata',
  needs: 'nothing',
  once: true,
  run(): { bytes: number; microseconds: number } {
    const bytes = new Uint8Array(ROUNDS + 9);
    let total = 0;
    const elapsed = stopwatch();
    // Each text of nine digits at another place and after other bytes must give the known value.
    for (let at = 0; at < ROUNDS; at++) {
      bytes.set(DIGITS, at);
      const split = at % 10;
      const head = crc32c(bytes.subarray(at, at + split));
      if (crc32c(bytes.subarray(at + split, at + 9), head) !== KNOWN || crc32c(bytes.subarray(at, at + 9)) !== KNOWN)
        throw new CommandFailure('crc32c: 1 self tests failed', { stream: 'stdout' });
      total += 18;
    }
    const rest = (TOTAL - total) / 2;
    const piece = new Uint8Array(rest).map((_, i) => i * 7);
    const parts = crc32c(piece.subarray(4097), crc32c(piece.subarray(0, 4097)));
    if (parts !== crc32c(piece)) throw new CommandFailure('crc32c: 1 self tests failed', { stream: 'stdout' });
    total += 2 * rest;
    return { bytes: total, microseconds: Math.round(elapsed() * 1e6) };
  },
  text: ({ bytes, microseconds }, out) => out.write(`crc32c: tests passed, ${bytes} bytes in ${microseconds} usec\n`),
});

interface Usage {
  /** Seconds of this process; as are the next two. */
  readonly user: number;
  readonly system: number;
  readonly wall: number;
  readonly style: 'plain' | 'condensed' | 'verbose';
  readonly usage: NodeJS.ResourceUsage;
}

export const getrusage = command({
  name: 'getrusage',
  mildUsage: true,
  alias: 'g',
  about: 'time and memory that this run took',
  options: { C: { about: 'as numbers with commas' }, v: { about: 'in the words of time(1)' } },
  needs: 'nothing',
  once: true,
  expert: true,
  run(_session, { options, operands }): Usage {
    if (operands.length > 0) throw usage(getrusage);
    const all = process.resourceUsage();
    const style = options.C ? 'condensed' : options.v ? 'verbose' : 'plain';
    return {
      user: all.userCPUTime / 1e6,
      system: all.systemCPUTime / 1e6,
      wall: process.uptime(),
      style,
      usage: all,
    };
  },
  text({ user, system, wall, style, usage: u }, out) {
    const percent = wall < user + system ? 100 : ((user + system) / wall) * 100;
    const [minor, major, swaps] = [u.minorPageFault, u.majorPageFault, u.swappedOut];
    if (style === 'condensed') {
      const numbers = [
        major,
        minor,
        swaps,
        u.fsRead,
        u.fsWrite,
        u.voluntaryContextSwitches,
        u.involuntaryContextSwitches,
      ];
      out.write(`${user.toFixed(3)},${system.toFixed(3)},${clockTime(wall)},${percent.toFixed(1)},${numbers.join()}\n`);
    } else if (style === 'verbose') {
      out.write(
        `${user.toFixed(2)}user ${system.toFixed(2)}system ${shortTime(wall)}elapsed ${percent.toFixed(0)}%CPU `,
      );
      out.write(`(${u.sharedMemorySize}avgtext+${u.unsharedDataSize}avgdata ${u.maxRSS}maxresident)k\n`);
      out.write(`${u.fsRead}inputs+${u.fsWrite}outputs (${major}major+${minor}minor)pagefaults ${swaps}swaps\n`);
    } else {
      out.write(`${user.toFixed(3)}u ${system.toFixed(3)}s ${shortTime(wall)} ${percent.toFixed(1)}%\t`);
      out.write(`${u.maxRSS}+${u.sharedMemorySize}k ${u.fsRead}+${u.fsWrite}io ${major}pf+${swaps}w\n`);
    }
  },
});

/** Minutes, seconds and hundredths; with hours only when there are some. */
function shortTime(seconds: number): string {
  return seconds >= 3600 ? clockTime(seconds) : clockTime(seconds).replace(/^0:0?/, '');
}
