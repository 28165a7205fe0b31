/** One address in another form: `convert agno 1 agbno 5 fsblock`. Forms, names and answers are xfs_db's. */
import type { XfsMount } from '../mount.ts';

interface Form {
  readonly names: readonly string[];
  /** What may be given beside it, by first name. */
  readonly allowed: readonly string[];
  /** Its part of a byte address. */
  bytes(mp: XfsMount, value: bigint): bigint;
  /** It, from a byte address. */
  of(mp: XfsMount, bytes: bigint): bigint;
}

const SECTOR = 512n;
const groupBytes = (mp: XfsMount): bigint => BigInt(mp.agBlocks) * BigInt(mp.blockSize);
const big = BigInt;

function fsblockBytes(mp: XfsMount, fsb: bigint): bigint {
  const unit = 1n << big(mp.agBlockLog);
  return (fsb / unit) * groupBytes(mp) + (fsb % unit) * big(mp.blockSize);
}

function inodeBytes(mp: XfsMount, ino: bigint): bigint {
  const unit = 1n << big(mp.aginoLog);
  return (ino / unit) * groupBytes(mp) + (ino % unit) * big(mp.inodeSize);
}

const aginoOf = (mp: XfsMount, bytes: bigint): bigint => (bytes % groupBytes(mp)) / big(mp.inodeSize);

const FORMS: readonly Form[] = [
  {
    names: ['agblock', 'agbno'],
    allowed: ['agnumber', 'bboff', 'blkoff', 'inoidx', 'inooff'],
    bytes: (mp, value) => value * big(mp.blockSize),
    of: (mp, bytes) => (bytes % groupBytes(mp)) / big(mp.blockSize),
  },
  {
    names: ['agino', 'aginode'],
    allowed: ['agnumber', 'inooff'],
    bytes: (mp, value) => value * big(mp.inodeSize),
    of: aginoOf,
  },
  {
    names: ['agnumber', 'agno'],
    allowed: ['agblock', 'agino', 'bboff', 'blkoff', 'inoidx', 'inooff'],
    bytes: (mp, value) => value * groupBytes(mp),
    of: (mp, bytes) => bytes / groupBytes(mp),
  },
  {
    names: ['bboff', 'daddroff'],
    allowed: ['agblock', 'agnumber', 'daddr', 'fsblock'],
    bytes: (_mp, value) => value,
    of: (_mp, bytes) => bytes % SECTOR,
  },
  {
    names: ['blkoff', 'fsboff', 'agboff'],
    allowed: ['agblock', 'agnumber', 'fsblock'],
    bytes: (_mp, value) => value,
    of: (mp, bytes) => bytes % big(mp.blockSize),
  },
  { names: ['byte', 'fsbyte'], allowed: [], bytes: (_mp, value) => value, of: (_mp, bytes) => bytes },
  {
    names: ['daddr', 'bb'],
    allowed: ['bboff'],
    bytes: (_mp, value) => value * SECTOR,
    of: (_mp, bytes) => bytes / SECTOR,
  },
  {
    names: ['fsblock', 'fsb', 'fsbno'],
    allowed: ['bboff', 'blkoff', 'inoidx'],
    bytes: fsblockBytes,
    of: (mp, bytes) => ((bytes / groupBytes(mp)) << big(mp.agBlockLog)) + (bytes % groupBytes(mp)) / big(mp.blockSize),
  },
  {
    names: ['ino', 'inode'],
    allowed: ['inooff'],
    bytes: inodeBytes,
    of: (mp, bytes) => ((bytes / groupBytes(mp)) << big(mp.aginoLog)) + aginoOf(mp, bytes),
  },
  {
    names: ['inoidx', 'offset'],
    allowed: ['agblock', 'agnumber', 'fsblock', 'inooff'],
    bytes: (mp, value) => value * big(mp.inodeSize),
    of: (mp, bytes) => (bytes / big(mp.inodeSize)) % big(mp.inodesPerBlock),
  },
  {
    names: ['inooff', 'inodeoff'],
    allowed: ['agblock', 'agino', 'agnumber', 'fsblock', 'ino', 'inoidx'],
    bytes: (_mp, value) => value,
    of: (mp, bytes) => bytes % big(mp.inodeSize),
  },
];

/** A conversion that cannot be made; the message is what xfs_db says. */
export class ConvertError extends Error {}

/** The converted number. `currentGroup`: the group that is meant where none is given, or null. @throws ConvertError */
export function convert(mp: XfsMount, args: readonly string[], currentGroup: number | null): bigint {
  if (args.length < 3 || args.length > 9 || args.length % 2 !== 1)
    throw new ConvertError(`bad argument count ${args.length} to convert, expected 3,5,7,9 arguments`);
  const wanted = formOf(args[args.length - 1] as string);
  const given = new Map<Form, bigint>();
  const refused = new Set<string>();
  for (let i = 0; i < args.length - 1; i += 2) {
    const word = args[i] as string;
    const form = formOf(word);
    if (form === wanted) throw new ConvertError('result type same as argument');
    if (refused.has(form.names[0] as string)) throw new ConvertError(`conflicting conversion type ${word}`);
    given.set(form, numberOf(args[i + 1] as string));
    for (const { names } of FORMS) if (!form.allowed.includes(names[0] as string)) refused.add(names[0] as string);
  }
  let bytes = 0n;
  for (const [form, value] of given) bytes += form.bytes(mp, value);
  if (
    currentGroup !== null &&
    !refused.has('agnumber') &&
    ![...given.keys()].some(({ names }) => names[0] === 'agnumber')
  )
    bytes += big(currentGroup) * groupBytes(mp);
  return wanted.of(mp, bytes);
}

function formOf(word: string): Form {
  const form = FORMS.find(({ names }) => names.includes(word));
  if (form === undefined) throw new ConvertError(`unknown conversion type ${word}`);
  return form;
}

function numberOf(word: string): bigint {
  if (!/^(0[xX][0-9a-fA-F]+|\d+)$/.test(word)) throw new ConvertError(`${word} is not a number`);
  return /^0[0-7]+$/.test(word) ? BigInt(`0o${word.slice(1)}`) : BigInt(word);
}
