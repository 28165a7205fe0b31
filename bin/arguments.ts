/** fsio's own command line: the options that there are, and what a target names. */
import { existsSync } from 'node:fs';
import { getopt, parseInteger, parseSize } from '../commands/words.ts';
import { PATIENCE } from '../core/device/in-use.ts';
import type { Part } from '../core/device/part.ts';
import type { Timestamp } from '../core/vfs/inode.ts';

/** An option of the command line, as help, completion and the man page show it. */
export interface OptionInfo {
  /** A letter or a long name. */
  readonly name: string;
  readonly value?: string;
  readonly about: string;
}

const OPTIONS: readonly OptionInfo[] = [
  { name: 'c', value: 'CMD', about: 'run a command, once for every file; may be repeated' },
  { name: 'C', value: 'CMD', about: 'run a command once' },
  { name: 'r', about: 'read only' },
  { name: 'f', about: 'create the file if it does not exist' },
  { name: 'a', about: 'append only' },
  { name: 'd', about: 'direct I/O' },
  { name: 's', about: 'every write is durable when it returns' },
  { name: 't', about: 'empty the file' },
  { name: 'T', about: 'a new file without a name in the directory given' },
  { name: 'm', value: 'MODE', about: 'permissions of a created file (default 0600)' },
  { name: 'x', about: 'expert commands' },
  { name: 'i', about: 'accepted, as are -n and -F' },
  { name: 'n', about: '' },
  { name: 'F', about: '' },
  { name: 'L', about: 'do not follow a symbolic link' },
  { name: 'P', about: 'open for the name only' },
  { name: 'R', about: 'put the data of the file on the realtime device' },
  { name: 'p', value: 'NAME', about: "the name in xfs_io's own complaints (default xfs_io)" },
  { name: 'V', about: 'print the version' },
  { name: 'json', about: 'one JSON object for each result' },
  { name: 'trace', about: "the engine's steps on stderr, as Linux's iomap tracepoints print them" },
  { name: 'norecovery', about: 'do not replay a dirty log: show the image as it is' },
  { name: 'subvol', value: 'PATH|ID', about: 'paths start in this subvolume (default: what the image says)' },
  { name: 'backup-root', about: 'if the newest root cannot be read, show the newest older one that can (btrfs)' },
  {
    name: 'superblock',
    value: 'N',
    about: 'believe this copy of the superblock, for reading only: 0 to 2 (btrfs), a block (ext4)',
  },
  { name: 'degraded', about: 'write although a device is missing, to the others only (btrfs)' },
  { name: 'no-data-csum', about: 'read file data without verifying checksums' },
  { name: 'compress', value: 'KIND', about: 'compress new file data: zlib, lzo or zstd, zstd:LEVEL (btrfs)' },
  { name: 'compress-force', value: 'KIND', about: 'likewise, even where it does not look worth while' },
  { name: 'strict', about: 'exit 1 on any failed command' },
  {
    name: 'device',
    value: 'IMAGE',
    about: 'a further device of the file system (XFS: realtime, log); may be repeated',
  },
  { name: 'at', value: 'DIR=IMAGE', about: 'paths below DIR are in this image; may be repeated, as may be FSIO_AT' },
  { name: 'time', value: 'SECONDS', about: 'the time that changes get (default SOURCE_DATE_EPOCH, or now)' },
  { name: 'seed', value: 'N', about: 'what is chosen at random follows from N' },
  { name: 'partition', value: 'N', about: 'the file system is in this partition of the image' },
  { name: 'offset', value: 'BYTES', about: 'the file system begins here in the image (512, 1m, 2048s)' },
  { name: 'length', value: 'BYTES', about: 'and has this many bytes' },
  { name: 'partitions', about: "list the image's partitions, and what is in them" },
  {
    name: 'overlay',
    value: 'FILE',
    about: 'changes go to FILE and not to the image (commands: commit, discard, undo)',
  },
  {
    name: 'wait',
    value: 'SECONDS',
    about: `wait so long for another run of fsio that writes to the image (default ${PATIENCE})`,
  },
  { name: 'connect', value: 'SOCKET', about: 'let the server there (fsio serve SOCKET IMAGE ...) run the commands' },
  { name: 'dry-run', about: 'change nothing: say what would change on disk, field by field' },
  { name: 'schema', about: 'print the JSON Schema of what --json prints' },
  { name: 'completion', value: 'SHELL', about: 'print the completion script of bash, zsh or fish' },
  { name: 'man', about: 'print the man page' },
  { name: 'help', about: 'this text' },
];

/** The options that a person is told of. */
export const SHOWN_OPTIONS: readonly OptionInfo[] = OPTIONS.filter(({ about }) => about !== '');

/** A directory name that stands for an image (--at). */
export interface Place {
  readonly dir: string;
  readonly image: string;
}

export interface CommandLine {
  readonly commands: readonly { readonly line: string; readonly everyFile: boolean }[];
  readonly targets: readonly string[];
  readonly flags: ReadonlySet<string>;
  readonly mode: number;
  readonly program: string | null;
  /** The subvolume that paths start in, or null. */
  readonly subvol: string | null;
  /** How new file data are to be compressed, or null. */
  readonly compress: { readonly method: string; readonly force: boolean } | null;
  readonly devices: readonly string[];
  readonly places: readonly Place[];
  /** The time that changes get, or null for the clock's. */
  readonly time: Timestamp | null;
  /** The copy of the superblock that is to be believed, or null for the newest good one. */
  readonly superblock: number | null;
  /** What is chosen at random follows from this; null: chance decides. */
  readonly seed: number | null;
  /** Seconds that another run of fsio is waited for. */
  readonly patience: number;
  /** The shell whose completion script is to be printed, or null. */
  readonly completion: string | null;
  /** The socket of the server that is to run the commands, or null. */
  readonly connect: string | null;
  /** The file that takes the changes, or null. */
  readonly overlay: string | null;
  /** The part of the image that is meant, or null for all of it. */
  readonly part: Part | null;
  /** What is wrong with it, or null. */
  readonly complaint: string | null;
}

export function parseCommandLine(words: readonly string[], env: NodeJS.ProcessEnv = process.env): CommandLine {
  const parsed = getopt(words, (name) => {
    const option = OPTIONS.find((known) => known.name === name);
    return option === undefined ? undefined : option.value !== undefined;
  });
  const commands: { line: string; everyFile: boolean }[] = [];
  const flags = new Set<string>();
  const devices: string[] = [];
  const places: Place[] = [];
  const numbers: Record<string, number> = {};
  let complaint = parsed.complaint;
  let mode = 0o600;
  let program: string | null = null;
  let overlay: string | null = null;
  let connect: string | null = null;
  let completion: string | null = null;
  let subvol: string | null = null;
  let compress: CommandLine['compress'] = null;
  let time = timestamp(env.SOURCE_DATE_EPOCH);
  let seed: number | null = null;
  let superblock: number | null = null;
  let patience = PATIENCE;
  for (const [name, value] of parsed.options) {
    if (value === null) flags.add(name);
    else if (name === 'c' || name === 'C') commands.push({ line: value, everyFile: name === 'c' });
    else if (name === 'p') program = value;
    else if (name === 'overlay') overlay = value;
    else if (name === 'connect') connect = value;
    else if (name === 'completion') completion = value;
    else if (name === 'device') devices.push(value);
    else if (name === 'subvol') subvol = value;
    else if (name === 'compress' || name === 'compress-force')
      compress = { method: value, force: name === 'compress-force' };
    else if (name === 'm') {
      const number = parseInteger(value);
      if (number === null) complaint ??= `non-numeric mode -- ${value}`;
      else mode = number;
    } else if (name === 'partition' || name === 'offset' || name === 'length') {
      const number = name === 'partition' ? Number(parseInteger(value) ?? Number.NaN) : bytesOf(value);
      if (Number.isNaN(number) || (name !== 'offset' && number === 0)) complaint ??= `bad ${name} -- ${value}`;
      numbers[name] = number;
    } else if (name === 'at') {
      const place = placeOf(value);
      if (place === null) complaint ??= `--at wants DIR=IMAGE, not ${value}`;
      else places.push(place);
    } else if (name === 'time') {
      time = timestamp(value);
      if (time === null) complaint ??= `bad time -- ${value}`;
    } else if (name === 'superblock') {
      superblock = parseInteger(value);
      if (superblock === null || superblock < 0) complaint ??= `bad superblock -- ${value}`;
    } else if (name === 'wait') {
      patience = /^\d+(\.\d+)?$/.test(value) ? Number(value) : Number.NaN;
      if (Number.isNaN(patience)) complaint ??= `bad wait -- ${value}`;
    } else if (name === 'seed') {
      seed = parseInteger(value);
      if (seed === null) complaint ??= `bad seed -- ${value}`;
    }
  }
  for (const word of (env.FSIO_AT ?? '').split(/[,\n]/).filter((text) => text !== '')) {
    const place = placeOf(word);
    if (place === null) complaint ??= `FSIO_AT wants DIR=IMAGE, not ${word}`;
    else places.push(place);
  }
  if (numbers.partition !== undefined && (numbers.offset ?? numbers.length) !== undefined)
    complaint ??= '--partition says where the file system is: --offset and --length do not go with it';
  const part = partOf(numbers);
  return {
    commands,
    targets: parsed.operands,
    flags,
    mode,
    program,
    subvol,
    compress,
    devices,
    places,
    time,
    superblock,
    seed,
    patience,
    completion,
    connect,
    overlay,
    part,
    complaint,
  };
}

/** DIR=IMAGE, or null. */
function placeOf(word: string): Place | null {
  const [dir, image] = word.split(/=(.*)/s);
  return dir?.startsWith('/') && image ? { dir: dir.replace(/\/+$/, ''), image } : null;
}

/** Seconds since 1970, with a fraction or not; null for no such number. */
export function timestamp(word: string | undefined): Timestamp | null {
  const match = /^(-?\d{1,11})(?:\.(\d{1,9}))?$/.exec(word ?? '');
  if (match === null) return null;
  return { seconds: Number(match[1]), nanoseconds: Number((match[2] ?? '').padEnd(9, '0')) };
}

function partOf({ partition, offset, length }: Record<string, number>): Part | null {
  if (partition !== undefined) return { partition };
  return (offset ?? length) === undefined ? null : { offset: offset ?? 0, length: length ?? null };
}

/** Bytes of the host's image, with a suffix or not (a sector is 512 bytes); NaN for no such number. */
function bytesOf(word: string): number {
  const value = parseSize(word, 4096, 512);
  return value === null || value < 0n || value > BigInt(Number.MAX_SAFE_INTEGER) ? Number.NaN : Number(value);
}

/** What a target names: an image, and a path in it or null. */
export interface Target {
  readonly image: string;
  readonly path: string | null;
}

/**
 * Splits IMAGE[:/PATH]. A name that exists as a whole is an image; otherwise the image is what stands before the
 * first `:/` before which something exists. A URL's own `://` and a Windows drive's `C:/` do not count.
 */
export function splitTarget(target: string, places: readonly Place[]): Target {
  // A script may have gone to a directory that stands for an image, and name files from there.
  const full = places.length > 0 && !target.startsWith('/') ? `${process.cwd()}/${target}` : target;
  for (const { dir, image } of places) {
    if (full === dir) return { image, path: '/' };
    if (full.startsWith(`${dir}/`)) return { image, path: full.slice(dir.length) };
  }
  const start = /^[a-z+]+:\/\//.exec(target)?.[0].length ?? (/^[A-Za-z]:[\\/]/.test(target) ? 2 : 0);
  const splits: Target[] = [];
  for (let at = target.indexOf(':/', start); at > 0; at = target.indexOf(':/', at + 1)) {
    splits.push({ image: target.slice(0, at), path: target.slice(at + 1) });
  }
  if (splits.length === 0 || (start === 0 && existsSync(target))) return { image: target, path: null };
  return splits.find(({ image }) => existsSync(image)) ?? (splits[0] as Target);
}

/** The text of --help. */
export function helpText(): string {
  const lines = SHOWN_OPTIONS.map(({ name, value, about }) => {
    const form = `${name.length === 1 ? '-' : '--'}${name}${value === undefined ? '' : ` ${value}`}`;
    return `  ${form.padEnd(18)} ${about}`;
  });
  return `fsio [options] IMAGE[:/PATH] ...
fsio serve SOCKET [options] IMAGE ...

Runs xfs_io's commands on files of an image that is not mounted. Without -c and -C, commands come from stdin: a
prompt on a terminal, a script otherwise. The command help lists the commands.

${lines.join('\n')}
`;
}
