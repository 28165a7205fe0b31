/**
 * scrub, repair, log_writes: words for a mounted file system and its devices (xfs_io's io/scrub.c, io/log_writes.c). What
 * they are asked is checked, and then refused as a kernel without online scrub, or without device mapper, does.
 */

import { strerror } from '../core/errors.ts';
import type { OptionSpecs } from '../core/vfs/word.ts';
import { type Command, type CommandSpec, command, usage } from './command.ts';
import { CommandFailure } from './failure.ts';
import { wholeInteger } from './words.ts';

/** Kinds of metadata by what they are of. */
const GROUP = 'sb agf agfl agi bnobt cntbt inobt finobt rmapbt refcountbt'.split(' ');
const INODE = 'inode bmapbtd bmapbta bmapbtc directory xattr symlink parent'.split(' ');
const WHOLE = 'probe rtbitmap rtsummary usrquota grpquota prjquota fscounters'.split(' ');

/** One of these never changes xfs_io's exit status. */
const complaint = (text: string) => new CommandFailure(text, { code: 'EINVAL', silent: true });

function scrubbing(
  name: string,
  alias: string,
  about: string,
  expert: boolean,
): CommandSpec<OptionSpecs, undefined, unknown> {
  const spec: Command = command({
    name,
    alias,
    mildUsage: true,
    count: [1, Number.POSITIVE_INFINITY],
    operands: 'type [agno|ino gen]',
    about,
    help: `Types: ${[...WHOLE, ...GROUP, ...INODE].join(', ')}.`,
    options: {},
    xfsOnly: true,
    ...(expert ? { expert: true as const } : {}),
    run(session, { operands }): undefined {
      const [type, ...rest] = operands;
      if (type === undefined) throw usage(spec);
      checkTarget(spec, type, rest);
      const code = session.file().unusable ? 'EBADF' : 'ENOTTY';
      throw new CommandFailure(`${name}: ${strerror(code)}`, { code, silent: true });
    },
  });
  return spec;
}

/** @throws CommandFailure where the words after the type do not say what it needs */
function checkTarget(spec: Command, type: string, words: readonly string[]): void {
  const [first = '', second = ''] = words;
  if (GROUP.includes(type)) {
    if (words.length !== 1) throw complaint('Must specify one AG number.');
    if (wholeInteger(first) === null) throw complaint(`Bad AG number '${first}'.`);
  } else if (INODE.includes(type)) {
    if (words.length !== 0 && words.length !== 2) throw complaint('Must specify inode number and generation.');
    if (words.length === 2 && wholeInteger(first) === null) throw complaint(`Bad inode number '${first}'.`);
    if (words.length === 2 && wholeInteger(second) === null) throw complaint(`Bad generation number '${second}'.`);
  } else if (!WHOLE.includes(type)) {
    const { message, stream } = usage(spec);
    throw new CommandFailure(`Unknown type '${type}'.\n${message}`, { code: 'EINVAL', silent: true, stream });
  } else if (words.length > 0) throw complaint('No parameters allowed.');
}

export const scrub = scrubbing('scrub', 'sc', 'check metadata online: refused, nothing is mounted', false);
export const repair = scrubbing('repair', 'fix', 'repair metadata online: refused, nothing is mounted', true);

export const logWrites = command({
  name: 'log_writes',
  alias: 'lw',
  about: 'mark a log of dm-log-writes: refused, images have none',
  options: {
    d: { value: 'device', kind: 'text', about: 'the device' },
    m: { value: 'mark', kind: 'text', about: 'the mark' },
  },
  needs: 'nothing',
  once: true,
  run(_session, { options }): undefined {
    if (options.d === undefined || options.m === undefined) throw usage(logWrites);
    throw new CommandFailure(`log_writes: ${strerror('ENOTTY')}`, { code: 'ENOTTY' });
  },
});
