/**
 * Random scripts of xfs_io commands on three files, made so that they collide: few blocks, offsets that straddle
 * them, copies of copies. The same script runs in the kernel and in fsio.
 */
import type { Random } from './random.ts';

export const FILES = ['a', 'b', 'c'] as const;

export interface ScriptOptions {
  readonly random: Random;
  readonly blockSize: number;
  readonly reflink: boolean;
  readonly operations: number;
  /** The span of file that operations fall into, in bytes. */
  readonly span: number;
  /** Also fallocate in all its modes, and the files once more as direct I/O. */
  readonly space?: boolean;
  /** Also what stat says: for formats where it does not depend on what is allocated ahead. */
  readonly stat?: boolean;
  /** False: nothing is allocated beyond the end of a file. */
  readonly beyondEnd?: false;
  /** Writes of noise beside those of one byte, which compress. */
  readonly noise?: boolean;
}

/** Lines of a session; `{d}` stands for the folder that holds the files. */
export function randomScript(options: ScriptOptions): string[] {
  const lines = FILES.map((file) => `open -f {d}/${file}`);
  if (options.space === true) for (const file of FILES) lines.push(`open -d {d}/${file}`);
  let current = -1;
  for (let i = 0; i < options.operations; i++) {
    const direct = options.space === true && options.random.oneIn(10);
    const file = options.random.below(FILES.length) + (direct ? FILES.length : 0);
    if (file !== current) lines.push(`file ${file}`);
    current = file;
    lines.push(operation(options, direct));
  }
  return lines;
}

function operation(options: ScriptOptions, direct: boolean): string {
  const { random } = options;
  const dice = random.below(100);
  if (dice < 45) return options.space === true && random.oneIn(4) ? space(options) : write(options);
  if (dice < 65) return options.reflink ? share(options, direct) : write(options);
  if (dice < 75) return `truncate ${random.oneIn(8) ? 0 : position(options)}`;
  if (dice < 83) return random.oneIn(3) ? 'fdatasync' : 'fsync';
  if (dice < 93) return `pread -v ${position(options)} ${random.between(1, 200)}`;
  if (dice < 96) return options.stat === true && random.oneIn(2) ? 'stat' : 'seek -a -r 0';
  return `pread ${position(options)} ${length(options)}`;
}

function write(options: ScriptOptions): string {
  const { random } = options;
  if (options.noise === true && random.oneIn(3)) {
    // The same program file on both sides: bytes that do not all compress.
    const skip = random.below(500) * 1000;
    return `pwrite -i /bin/bash -s ${skip} ${position(options)} ${length(options)}`;
  }
  const byte = random.between(1, 255).toString(16);
  return `pwrite -S 0x${byte} ${position(options)} ${length(options)}`;
}

function space(options: ScriptOptions): string {
  const { random } = options;
  const chosen = random.pick(['falloc', 'falloc -k', 'fpunch', 'fpunch', 'fzero', 'fzero -k', 'fcollapse', 'finsert']);
  const command = options.beyondEnd === false ? chosen.replace(' -k', '') : chosen;
  if (command === 'fpunch') return punch(options);
  const aligned = command === 'fcollapse' || command === 'finsert';
  const at = (value: number): number => (aligned ? Math.floor(value / options.blockSize) * options.blockSize : value);
  return `${command} ${at(position(options))} ${Math.max(at(length(options)), aligned ? options.blockSize : 1)}`;
}

/**
 * A hole that ends with a block or stays in one: beyond that btrfs zeroes a part of a block in a hole or leaves it
 * alone, by what it remembers of the hole.
 */
function punch(options: ScriptOptions): string {
  const { blockSize } = options;
  const start = position(options);
  const rest = blockSize - (start % blockSize);
  const size = length(options);
  return `fpunch ${start} ${size < rest ? size : rest + Math.floor((size - rest) / blockSize) * blockSize}`;
}

function share(options: ScriptOptions, direct: boolean): string {
  const dice = options.random.below(10);
  if (dice < 7) return reflink(options, 'reflink');
  // Copying through a pipe into direct I/O depends on where the bytes lie in the pipe's pages.
  if (dice < 9 || direct) return reflink(options, 'dedupe');
  const { random } = options;
  const size = length(options);
  return `copy_range -s ${position(options)} -d ${position(options)} -l ${size} {d}/${random.pick(FILES)}`;
}

function reflink(options: ScriptOptions, command: 'reflink' | 'dedupe'): string {
  const { random, blockSize } = options;
  const source = `{d}/${random.pick(FILES)}`;
  if (command === 'reflink' && random.oneIn(6)) return `reflink ${source}`;
  // Mostly aligned, since anything else is refused; sometimes not, since a refusal must be the same one.
  const aligned = (value: number) => (random.oneIn(12) ? value : Math.floor(value / blockSize) * blockSize);
  const from = aligned(position(options));
  // Files that were copied are equal at equal places.
  const to = command === 'dedupe' && random.oneIn(2) ? from : aligned(position(options));
  const size = random.oneIn(10) ? 0 : Math.max(aligned(length(options)), blockSize);
  return `${command} ${source} ${from} ${to} ${size}`;
}

function position({ random, blockSize, span }: ScriptOptions): number {
  const at = random.below(span);
  if (random.oneIn(3)) return at;
  const unit = random.pick([512, 4096, blockSize, blockSize]);
  const near = Math.floor(at / unit) * unit;
  return random.oneIn(4) ? Math.max(0, near + random.pick([-1, 1, -7, 13])) : near;
}

function length({ random, blockSize }: ScriptOptions): number {
  const kind = random.below(10);
  if (kind < 3) return random.between(1, 100);
  if (kind < 7) return blockSize * random.between(1, 8);
  if (kind < 9) return random.between(1, 8 * blockSize);
  return random.between(1, 60) * 4096;
}
