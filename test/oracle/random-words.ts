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
const VECTORS = or(list('0 1 2 3 8'), list('x -1 1k 2000'), 6);
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
const AGNO = or(list('0 1 3'), list('4 x -1 99 0x1'), 4);
const INO = or(list('0 1 128 131 132 133 200'), list('x -1 5000000 0x80 99999999999999999999 8e'), 4);

const WORDS: readonly Word[] = [
  { name: 'pread', flags: 'qvFBRuC', valued: { b: BLOCK, Z: BYTE, V: VECTORS }, operands: range, weight: 6 },
  {
    name: 'pwrite',
    flags: 'qdDNwWFBRCu',
    valued: { b: BLOCK, S: BYTE, s: OFFSET, Z: list('1 3 7'), V: VECTORS },
    operands: range,
    weight: 10,
  },
  { name: 'pwrite -i /etc/passwd', flags: 'qwWdCNDu', valued: { b: BLOCK, s: OFFSET, V: VECTORS }, operands: range },
  { name: 'pwrite -O -b 1m', flags: 'qwWCF', valued: { S: BYTE }, operands: range },
  {
    name: 'fiemap',
    flags: 'alv',
    valued: { n: COUNT },
    operands: [[], [OFFSET], [OFFSET, LENGTH], [OFFSET, OFFSET]],
    weight: 5,
  },
  { name: 'bmap', flags: 'acdelpv', valued: { n: COUNT }, operands: [[], [OFFSET]], weight: 4 },
  { name: 'seek', flags: 'adhrs', operands: [[OFFSET]], weight: 5 },
  { name: 'reflink', flags: 'qC', operands: [[FILE], [FILE, OFFSET, OFFSET, LENGTH]], weight: 4 },
  { name: 'dedupe', flags: 'qC', operands: [[FILE, OFFSET, OFFSET, LENGTH]], weight: 3 },
  { name: 'copy_range', valued: { s: OFFSET, d: OFFSET, l: LENGTH }, operands: [[FILE]], weight: 3 },
  { name: 'copy_range', valued: { s: OFFSET, d: OFFSET, l: LENGTH, f: COUNT }, operands: [[]] },
  { name: 'sendfile -i /src', flags: 'qC', operands: perhapsRange, weight: 2 },
  { name: 'sendfile -i /holey', flags: 'qC', valued: { i: FILE }, operands: [[OFFSET, LENGTH]] },
  { name: 'sendfile -f 0', flags: 'qC', valued: { f: COUNT }, operands: [[OFFSET, LENGTH]] },
  { name: 'mmap', flags: 'rwxS', valued: { s: LENGTH }, operands: [[], [COUNT], [OFFSET, LENGTH]], weight: 4 },
  { name: 'mread', flags: 'fvr', operands: [[], [list('0 1 100 4k'), list('0 1 5 x -1 4097')]], weight: 2 },
  { name: 'mwrite', flags: 'r', valued: { S: BYTE }, operands: [[], [list('0 1 100'), list('0 1 5 x 4k')]], weight: 2 },
  { name: 'msync', flags: 'ais', operands: perhapsRange },
  { name: 'mremap', flags: 'm', operands: [[LENGTH]] },
  { name: 'munmap', operands: [[]] },
  { name: 'madvise', flags: 'drsw', operands: perhapsRange },
  { name: 'mincore', operands: [[OFFSET, LENGTH]] },
  { name: 'fadvise', flags: 'dnrsw', operands: perhapsRange },
  { name: 'falloc', flags: 'kpcui', operands: range, weight: 3 },
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
    flags: 'acdfnrstLPTFx',
    valued: { m: list('0644 0 0777 x 9 01777') },
    operands: [[FILE], [NEW_FILE]],
    weight: 6,
  },
  { name: 'open', operands: [[], [FILE], [NEW_FILE], [FILE, FILE]], weight: 3 },
  { name: 'file', operands: [[], [COUNT]], weight: 3 },
  { name: 'close', operands: [[]], weight: 2 },
  { name: 'print', operands: [[]] },
  { name: 'stat', flags: 'vr', operands: [[]], weight: 2 },
  { name: 'statfs', flags: 'cgs', operands: [[]] },
  {
    name: 'statx',
    flags: 'vrDF',
    valued: { m: list('all basic 0 1 0x7ff x -1 0x800 0x40') },
    operands: [[]],
    weight: 2,
  },
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
  { name: 'sync', operands: [[], [COUNT]] },
  { name: 'syncfs', operands: [[], [COUNT]] },
  { name: 'sync_range', flags: 'abw', operands: range },
  { name: 'readdir', flags: 'v', valued: { o: list('0 1 x'), l: list('0 24 60 1000') }, operands: [[]] },
  { name: 'label', flags: 'c', valued: { s: list('ab x 123456789012 1234567890123') }, operands: [[]] },
  { name: 'swapext', operands: [[FILE]] },
  { name: 'get_encpolicy', flags: '1t', operands: [[], [COUNT]] },
  {
    name: 'set_encpolicy',
    valued: { c: list('1 x AES-256-XTS'), v: list('0 2 x'), n: list('1 x Adiantum'), f: list('0 1 256 x') },
    operands: [[], [COUNT]],
  },
  { name: 'add_enckey', valued: { d: list('0000111122223333 x'), k: list('0 1 x') }, operands: [[], [COUNT]] },
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
  {
    name: 'repair',
    operands: [[list('probe sb agf inode bogus')], [list('agf inode probe'), COUNT], [list('inode agf'), COUNT, COUNT]],
  },
  { name: 'inode', flags: 'nv', operands: [[], [INO]] },
  {
    name: 'inumbers',
    flags: 'd',
    valued: { s: INO, e: INO, n: COUNT, a: AGNO, v: list('1 5 2 3') },
    operands: [[]],
  },
  {
    name: 'bulkstat_single',
    flags: 'd',
    valued: { v: list('1 5 2 3') },
    operands: [[INO], [INO, INO], [list('root rt x')]],
  },
  { name: 'fsmap', flags: 'dlrmv', valued: { n: COUNT }, operands: [[], [OFFSET], [OFFSET, OFFSET]] },
  { name: 'resblks', operands: [[], [COUNT]] },
  { name: 'thaw', operands: [[]] },
  { name: 'inject', operands: [[], [list('noerror x')]] },
  { name: 'imap', operands: [[], [COUNT]] },
  { name: 'crc32cselftest', operands: [[]] },
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
  const options = joined(random, optionsOf(random, word));
  if (random.oneIn(30)) options.push(random.pick(['-y', '-', '--', '-yq']));
  // Without a seed, -R takes the time's.
  if (options.some((option) => /^-\w*R/.test(option)) && word.valued?.Z !== undefined) options.push('-Z 3');
  const operands = random.pick(word.operands ?? [[]]).map((part) => part(random));
  if (random.oneIn(25)) operands.push(random.pick(['1', 'x', '0']));
  if (random.oneIn(25)) operands.pop();
  if (random.oneIn(40)) operands.push(...operands);
  const words = random.oneIn(15) ? [...operands, ...options] : [...options, ...operands];
  const [name = '', ...rest] = word.name.split(' ');
  const typed = random.oneIn(6) ? (SHORT[name] ?? name) : name;
  return [typed, ...rest, ...words].join(' ');
}

/** The short names of words. */
const SHORT: Readonly<Record<string, string>> = {
  close: 'c',
  dedupe: 'dd',
  fdatasync: 'ds',
  file: 'f',
  fsync: 's',
  madvise: 'ma',
  mincore: 'mi',
  mmap: 'mm',
  mread: 'mr',
  mremap: 'mrm',
  msync: 'ms',
  munmap: 'mu',
  mwrite: 'mw',
  open: 'o',
  pread: 'r',
  print: 'p',
  pwrite: 'w',
  reflink: 'rl',
  repair: 'fix',
  scrub: 'sc',
  truncate: 't',
};

/** Options in other spellings: several letters behind one dash, a value without a blank before it. */
function joined(random: Random, options: string[]): string[] {
  if (!random.oneIn(4) || options.some((option) => option.includes('/'))) return options;
  const flags = options.filter((option) => option.length === 2).map((option) => option[1]);
  const valued = options.filter((option) => option.length > 2).map((option) => option.replace(' ', ''));
  return flags.length === 0 ? valued : [`-${flags.join('')}`, ...valued];
}

/** Up to three options. */
function optionsOf(random: Random, { flags = '', valued = {} }: Word): string[] {
  const letters = [...flags, ...Object.keys(valued)];
  const out = new Set<string>();
  for (let left = letters.length === 0 || random.oneIn(3) ? 0 : random.below(4); left > 0; left--) {
    const letter = random.pick(letters);
    const part = valued[letter];
    out.add(part === undefined ? `-${letter}` : `-${letter} ${part(random)}`);
  }
  return [...out];
}
