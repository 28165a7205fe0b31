/**
 * Lines for xfs_io by chance: its words with their options and operands, of which some are wrong. Left out is what xfs_io
 * answers from memory that it never set, or what only a mounted file system's history decides.
 */
import type { Random } from '../harness/random.ts';

/** A piece of a line. */
type Part = (random: Random) => string;

const from =
  (...texts: string[]): Part =>
  (random) =>
    random.pick(texts);
/** `usual`, but once in `n` times `odd`. */
const or =
  (usual: Part, odd: Part, n = 12): Part =>
  (random) =>
    random.oneIn(n) ? odd(random) : usual(random);
const list = (text: string): Part => from(...text.split(' '));

const NO_NUMBER = list('-1 x 1x 08 0x 1.5 -4k 8e +5 0b - 1kk 4K');
const OFFSET = or(
  list(
    '0 1 5 100 511 512 4095 4096 4097 4k 5000 8k 10000 60k 64k 65535 65537 100k 128k 256k 320k 327679 1m 0x1000 010000 3s 511b',
  ),
  NO_NUMBER,
);
const LENGTH = or(list('0 1 5 100 511 512 513 4095 4096 4k 4097 5000 8k 16k 64k 100k 65537 1b 1s 0x1001'), NO_NUMBER);
const BLOCK = list('512 1000 1k 4k 4095 8k 64k 333 0 x');
const BYTE = or(list('0 1 7 0x61 255 256 0377'), list('x -1'));
const COUNT = or(list('0 1 2 3 5 10'), list('x 0x1 1k'));
const FILE = or(
  list('/small /holey /keep /empty /tail /frag /src /clone /part /dir/file'),
  list('/ /dir /none /dir/none /small/x /link /dangling /loop /nodir/x'),
);
const NEW_FILE = or(FILE, list('/new1 /new2 /dir/new3'), 2);
const TIME = or(list('0 1 1000000000 2147483648 4294967296 -1 0x10 010 999999999'), list('x 1.5 -5'), 8);

/** A word with its options (with a part: they take a value) and the operands that it may have. */
interface Word {
  readonly name: string;
  readonly flags?: string;
  readonly valued?: Readonly<Record<string, Part>>;
  readonly operands?: readonly (readonly Part[])[];
  readonly weight?: number;
}

const range: Word['operands'] = [[OFFSET, LENGTH]];
const perhapsRange: Word['operands'] = [[], [OFFSET, LENGTH]];

const WORDS: readonly Word[] = [
  { name: 'pread', flags: 'qvFBRu', valued: { b: BLOCK, Z: BYTE }, operands: range, weight: 5 },
  {
    name: 'pwrite',
    flags: 'qdDNwWFBR',
    valued: { b: BLOCK, S: BYTE, s: OFFSET, Z: list('1 3 7') },
    operands: range,
    weight: 8,
  },
  { name: 'pwrite -i /etc/passwd', flags: 'qwW', valued: { b: BLOCK, s: OFFSET }, operands: range },
  { name: 'fiemap', flags: 'alv', operands: [[], [OFFSET], [OFFSET, LENGTH]], weight: 4 },
  { name: 'bmap', flags: 'acelpv', operands: [[], [OFFSET]], weight: 3 },
  { name: 'seek', flags: 'adhrs', operands: [[OFFSET]], weight: 4 },
  { name: 'reflink', flags: 'qC', operands: [[FILE], [FILE, OFFSET, OFFSET, LENGTH]], weight: 3 },
  { name: 'dedupe', flags: 'qC', operands: [[FILE, OFFSET, OFFSET, LENGTH]], weight: 2 },
  { name: 'copy_range', valued: { s: OFFSET, d: OFFSET, l: LENGTH }, operands: [[FILE]], weight: 2 },
  { name: 'sendfile -i /src', flags: 'qC', operands: perhapsRange, weight: 2 },
  { name: 'mmap', flags: 'rwS', operands: [[COUNT], [OFFSET, LENGTH]], weight: 2 },
  { name: 'mread', flags: 'fvr', operands: [[list('0 1 100'), list('0 1 5 x -1')]] },
  { name: 'mwrite', flags: 'r', valued: { S: BYTE }, operands: [[list('0 1 100'), list('0 1 5 x')]] },
  { name: 'msync', flags: 'ais', operands: perhapsRange },
  { name: 'munmap', operands: [[]] },
  { name: 'madvise', flags: 'drsw', operands: perhapsRange },
  { name: 'fadvise', flags: 'dnrsw', operands: perhapsRange },
  { name: 'falloc', flags: 'kpcu', operands: range, weight: 3 },
  { name: 'fpunch', operands: range, weight: 3 },
  { name: 'fcollapse', operands: [...range, [list('0 4k 64k'), list('4k 64k')]], weight: 2 },
  { name: 'finsert', operands: [...range, [list('0 4k 64k'), list('4k 64k')]], weight: 2 },
  { name: 'fzero', flags: 'k', operands: range, weight: 2 },
  { name: 'funshare', operands: range, weight: 2 },
  { name: 'resvsp', operands: range },
  { name: 'unresvsp', operands: range },
  { name: 'zero', operands: range },
  { name: 'allocsp', operands: range },
  { name: 'truncate', operands: [[OFFSET]], weight: 3 },
  {
    name: 'open',
    flags: 'acdfnrst',
    valued: { m: list('0644 0 0777 x 9') },
    operands: [[FILE], [NEW_FILE]],
    weight: 6,
  },
  { name: 'file', operands: [[], [COUNT]], weight: 2 },
  { name: 'close', operands: [[]], weight: 2 },
  { name: 'print', operands: [[]] },
  { name: 'stat', flags: 'vr', operands: [[]], weight: 2 },
  { name: 'statx', flags: 'vrDF', valued: { m: list('all basic 0 1 0x7ff x -1 0x800 0x40') }, operands: [[]] },
  { name: 'lsattr', flags: 'RDav', operands: [[], [FILE]] },
  { name: 'chattr', flags: 'RD', operands: [[list('+s +A +d -d +ds -s +z + - +d-A +p -p +X')]] },
  { name: 'lsproj', flags: 'RD', operands: [[]] },
  { name: 'chproj', flags: 'RD', operands: [[list('0 1 65534 4294967295 x 4294967296 0x10 root')]] },
  { name: 'extsize', flags: 'RD', operands: [[], [OFFSET]] },
  { name: 'cowextsize', flags: 'RD', operands: [[], [OFFSET]] },
  { name: 'chmod', flags: 'rwx', operands: [[]] },
  { name: 'utimes', operands: [[TIME, TIME, TIME, TIME]] },
  { name: 'flink', operands: [[NEW_FILE]] },
  { name: 'fsync', operands: [[]], weight: 2 },
  { name: 'fdatasync', operands: [[], [COUNT]] },
  { name: 'sync', operands: [[]] },
  { name: 'sync_range', flags: 'abw', operands: range },
  { name: 'readdir', flags: 'v', valued: { o: list('0 1 x'), l: list('0 24 60 1000') }, operands: [[]] },
  { name: 'label', flags: 'c', valued: { s: list('ab x 123456789012 1234567890123') }, operands: [[]] },
  { name: 'get_encpolicy', flags: '1', operands: [[], [COUNT]] },
  { name: 'set_encpolicy', valued: { c: list('1 x AES-256-XTS'), v: list('0 2 x') }, operands: [[], [COUNT]] },
  {
    name: 'rm_enckey',
    flags: 'a',
    operands: [[], [COUNT, COUNT], [list('0000111122223333 00001111222233334444555566667777')]],
  },
  { name: 'enckey_status', operands: [[COUNT], [list('000011112222333g 0000111122223333')]] },
  { name: 'log_writes', valued: { d: COUNT }, operands: [[]] },
  {
    name: 'scrub',
    operands: [[list('probe sb agf inode bogus')], [list('agf inode probe'), COUNT], [list('inode agf'), COUNT, COUNT]],
  },
  { name: 'inode', flags: 'nv', operands: [[], [list('128 131 0 1 x 5000000 133 99999999999999999999')]] },
  { name: 'inumbers', flags: 'd', valued: { s: list('128 131 0'), v: list('1 5 2') }, operands: [[]] },
  { name: 'help nonsense', operands: [[]] },
  { name: 'nonsense', operands: [[], [COUNT]] },
];

const WEIGHT = WORDS.reduce((sum, { weight = 1 }) => sum + weight, 0);

/** One line. */
export function randomLine(random: Random): string {
  let at = random.below(WEIGHT);
  const word = WORDS.find(({ weight = 1 }) => {
    at -= weight;
    return at < 0;
  }) as Word;
  const options = optionsOf(random, word);
  if (random.oneIn(30)) options.push(random.pick(['-y', '-', '--', '-yq']));
  const operands = random.pick(word.operands ?? [[]]).map((part) => part(random));
  if (random.oneIn(25)) operands.push(random.pick(['1', 'x', '0']));
  if (random.oneIn(25)) operands.pop();
  const words = random.oneIn(15) ? [...operands, ...options] : [...options, ...operands];
  return [word.name, ...words].join(' ');
}

/** Up to three options, each with a value once: of a repeated one the two programs look at different ones first. */
function optionsOf(random: Random, { flags = '', valued = {} }: Word): string[] {
  const letters = [...flags, ...Object.keys(valued)];
  const out = new Set<string>();
  for (let left = letters.length === 0 || random.oneIn(3) ? 0 : random.below(4); left > 0; left--) {
    const letter = random.pick(letters);
    const part = valued[letter];
    if (part === undefined) out.add(`-${letter}`);
    else if (![...out].some((option) => option.startsWith(`-${letter} `))) out.add(`-${letter} ${part(random)}`);
  }
  return [...out];
}
