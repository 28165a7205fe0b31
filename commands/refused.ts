/**
 * Words that no image can answer: each fails as it does on a kernel or file system without the feature, with
 * xfs_io's words and exit status, so that a script takes its other way.
 */
import { strerror } from '../core/errors.ts';
import { type Command, command } from './command.ts';
import { CommandFailure } from './failure.ts';

interface Refusal {
  readonly name: string;
  readonly alias?: string;
  readonly operands?: string;
  readonly count?: readonly [number, number];
  readonly about: string;
  /** What stands before the error. */
  readonly label: string;
  /** xfs_io exits 0 all the same. */
  readonly silent?: true;
  readonly expert?: true;
  readonly xfsOnly?: true;
  /** xfs_db's word of this name is meant by any other number of operands. */
  readonly yields?: true;
  /** Operands are offset and length. */
  readonly range?: true;
}

const MANY = Number.POSITIVE_INFINITY;

const REFUSALS: readonly Refusal[] = [
  {
    name: 'add_enckey',
    operands: '[-d descriptor] [-k key_id]',
    about: 'add an encryption key: refused, images have none',
    label: 'Error adding encryption key',
  },
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
    name: 'enckey_status',
    operands: 'keyspec',
    count: [1, 1],
    about: 'state of an encryption key: refused',
    label: 'Error getting encryption key status',
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
  {
    name: 'log_writes',
    operands: '-d device -m mark',
    about: 'mark a dm-log-writes log: refused, there is none',
    label: 'log_writes',
  },
  {
    name: 'repair',
    alias: 'fix',
    operands: 'type [agno|ino gen]',
    count: [1, MANY],
    about: 'repair metadata online: refused, nothing is mounted',
    label: 'repair',
    silent: true,
    xfsOnly: true,
    expert: true,
  },
  {
    name: 'rm_enckey',
    operands: '[-a] keyspec',
    count: [1, MANY],
    about: 'remove an encryption key: refused',
    label: 'Error removing encryption key',
  },
  {
    name: 'scrub',
    alias: 'sc',
    operands: 'type [agno|ino gen]',
    count: [1, MANY],
    about: 'check metadata online: refused, nothing is mounted',
    label: 'scrub',
    silent: true,
    xfsOnly: true,
  },
  {
    name: 'set_encpolicy',
    operands: '[-c mode] [-n mode] [-f flags] [-v version] [keyspec]',
    about: 'encrypt a directory: refused',
    label: '{file}: failed to set encryption policy',
  },
];

function refusing({ label, silent, range, ...spec }: Refusal): Command {
  return command({
    ...spec,
    plain: true,
    run(session, { operands }): undefined {
      if (range)
        for (const [i, word] of operands.entries()) session.size(word, i === 0 ? 'offset argument' : 'length argument');
      const what = label.replace('{file}', session.file().name);
      throw new CommandFailure(`${what}: ${strerror('ENOTTY')}`, { code: 'ENOTTY', silent: silent === true });
    },
  });
}

/** The words that are refused, by name. */
export const refused: readonly Command[] = REFUSALS.map(refusing);

export const getEncpolicy = command({
  name: 'get_encpolicy',
  mildUsage: true,
  operands: '[-1] [-t]',
  about: 'the encryption policy of the open file: there is none',
  options: { 1: { about: 'by the first version of the call' }, t: { about: 'is it supported?' } },
  run(session, { options }): { policy: 'unsupported' } {
    if (options.t) return { policy: 'unsupported' };
    const text = `${session.file().name}: failed to get encryption policy: ${strerror('ENOTTY')}`;
    throw new CommandFailure(text, { code: 'ENOTTY' });
  },
  text: ({ policy }, out) => out.write(`${policy}\n`),
});
