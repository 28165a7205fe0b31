/**
 * Words that no image can answer: each fails as it does on a kernel or file system without the feature, with
 * xfs_io's words and exit status, so that a script takes its other way.
 */
import { strerror } from '../core/errors.ts';
import { type Command, command, usage } from './command.ts';
import { CommandFailure } from './failure.ts';
import { parseSize } from './words.ts';

interface Refusal {
  readonly name: string;
  readonly operands?: string;
  readonly count?: readonly [number, number];
  readonly about: string;
  /** The call that would have been made. */
  readonly label: string;
  readonly expert?: true;
  readonly xfsOnly?: true;
  /** xfs_db's word of this name is meant by any other number of operands. */
  readonly yields?: true;
  /** Operands are offset and length. */
  readonly range?: true;
}

const REFUSALS: readonly Refusal[] = [
  {
    name: 'allocsp',
    operands: 'off len',
    count: [2, 2],
    about: 'allocate zeros: refused, as Linux does since 5.17',
    label: 'XFS_IOC_ALLOCSP64',
    xfsOnly: true,
    range: true,
  },
  {
    name: 'bulkstat',
    operands: '[-s startino] [-e endino]',
    about: 'inodes in the order of their numbers, of XFS',
    label: 'bulkstat',
    xfsOnly: true,
    yields: true,
  },
  {
    name: 'bulkstat_single',
    operands: 'inum...',
    about: 'inodes in the order of their numbers, of XFS',
    label: 'bulkstat_single',
    xfsOnly: true,
    yields: true,
  },
  {
    name: 'inumbers',
    operands: '[-s startino] [-e endino]',
    about: 'inodes in the order of their numbers, of XFS',
    label: 'inumbers',
    xfsOnly: true,
    yields: true,
  },
  {
    name: 'freesp',
    operands: 'off len',
    count: [2, 2],
    about: 'free the end of a file: refused, as Linux does since 5.17',
    label: 'XFS_IOC_FREESP64',
    xfsOnly: true,
    yields: true,
    range: true,
  },
  {
    name: 'imap',
    operands: '[nentries]',
    count: [0, 1],
    about: 'inode chunks, of XFS',
    label: 'imap',
    expert: true,
    xfsOnly: true,
    yields: true,
  },
  {
    name: 'inode',
    operands: '[-nv] [num]',
    about: 'inode numbers in use, of XFS',
    label: 'inode',
    xfsOnly: true,
    yields: true,
  },
];

function refusing({ label, range, ...spec }: Refusal): Command {
  return command({
    ...spec,
    plain: true,
    ...(spec.yields && !range ? { once: true as const, perFile: true as const } : {}),
    run(session, { operands }): undefined {
      for (const [i, word] of range ? operands.entries() : []) {
        const value = parseSize(word, session.blockSize, session.sectorSize);
        if (value === null || value < 0n)
          throw session.notNumber(i === 0 ? 'offset argument' : 'length argument', word);
      }
      const code = session.current?.unusable ? 'EBADF' : 'ENOTTY';
      throw new CommandFailure(`${label}: ${strerror(code)}`, { code });
    },
  });
}

/** The words that are refused, by name. */
export const refused: readonly Command[] = REFUSALS.map(refusing);

const notRows = (text: string): boolean => !/^\s*\+?\d+$/.test(text);

/** fsmap of a file system that has none: XFS has its own word. */
export const fsmap = command({
  name: 'fsmap',
  yields: true,
  operands: '[start [end]]',
  about: 'who owns which blocks, of XFS',
  options: {
    d: { about: 'the data device' },
    l: { about: 'the log device' },
    m: { about: 'for programs' },
    n: { value: 'rows', kind: 'text', misuses: notRows, about: 'rows at a time' },
    r: { about: 'the realtime device' },
    v: { about: 'a table' },
  },
  run(session, { options, operands }): undefined {
    const chosen = [options.d, options.l, options.r].filter((device) => device).length;
    if (chosen > 1 || (options.m && options.v) || (operands.length > 0 && chosen === 0)) throw usage(fsmap);
    for (const [i, word] of operands.slice(0, 2).entries()) {
      const value = parseSize(word, session.blockSize, session.sectorSize);
      if (value === null || value < 0n)
        throw new CommandFailure(`Bad rmap ${i === 0 ? 'start' : 'end'}_bblock ${word}.`, { code: 'EINVAL' });
    }
    const what = options.v ? "can't get geometry" : 'xfsctl(XFS_IOC_GETFSMAP) iflags=0x0';
    const text = `${session.program}: ${what} ["${session.file().name}"]: ${strerror('ENOTTY')}`;
    throw new CommandFailure(text, { code: 'ENOTTY' });
  },
});
