/** cmp: the first byte in which two files of the image (or the open file and another) differ, as cmp(1) says it. */
import { expect } from '../core/steps.ts';
import { command, usage } from './command.ts';
import { CommandFailure } from './failure.ts';
import type { OpenFile } from './open-file.ts';
import type { Session } from './session.ts';

const CHUNK = 1 << 20;
const NEWLINE = 10;

interface Verdict {
  readonly files: readonly [string, string];
  /** The first byte that differs, and its line, both from 1 on; or which file ends after how many; null: the same. */
  readonly differs:
    | { readonly byte: number; readonly line: number }
    | { readonly endOf: string; readonly after: number }
    | null;
}

export const cmp = command({
  name: 'cmp',
  count: [1, Number.POSITIVE_INFINITY],
  operands: 'path [path]',
  about: 'compare two files, or the open file with another',
  help: 'The command fails where the files differ.',
  options: {
    n: { value: 'bytes', kind: 'size', noun: 'bytes', about: 'no more than so many' },
    s: { about: 'print nothing' },
  },
  needs: 'image',
  once: true,
  completes: 'path',
  run(session, { options, operands }): Verdict {
    if (operands.length > 2 || operands.length < 1) throw usage(cmp);
    const paths =
      operands.length === 2 ? (operands as [string, string]) : ([session.file().name, operands[0]] as [string, string]);
    const first = operands.length === 2 ? session.openSource(paths[0]) : session.file();
    const second = session.openSource(paths[1]);
    try {
      const differs = firstDifference(session, first, second, paths, options.n ?? Number.POSITIVE_INFINITY);
      if (differs !== null) throw differing(paths, differs, options.s);
      return { files: paths, differs };
    } finally {
      second.close();
      if (operands.length === 2) first.close();
    }
  },
});

function firstDifference(
  session: Session,
  first: OpenFile,
  second: OpenFile,
  names: readonly [string, string],
  most: number,
): Verdict['differs'] {
  const buffer = session.buffer(2 * CHUNK);
  expect(Math.min(most, first.inode.size));
  let line = 1;
  for (let at = 0; at < most; ) {
    const wanted = Math.min(CHUNK, most - at);
    const [a, b] = [buffer.subarray(0, wanted), buffer.subarray(CHUNK, CHUNK + wanted)];
    const [gotA, gotB] = [first.read(at, a), second.read(at, b)];
    const both = Math.min(gotA, gotB);
    for (let i = 0; i < both; i++) {
      if (a[i] !== b[i]) return { byte: at + i + 1, line };
      if (a[i] === NEWLINE) line++;
    }
    at += both;
    if (gotA !== gotB) return { endOf: names[gotA < gotB ? 0 : 1], after: at };
    if (both === 0) return null;
  }
  return null;
}

function differing(
  [a, b]: readonly [string, string],
  where: NonNullable<Verdict['differs']>,
  mute: boolean,
): CommandFailure {
  if ('endOf' in where) {
    const place = where.after === 0 ? 'which is empty' : `after byte ${where.after}`;
    return new CommandFailure(`cmp: EOF on ${where.endOf} ${place}`, { mute });
  }
  return new CommandFailure(`${a} ${b} differ: byte ${where.byte}, line ${where.line}`, { stream: 'stdout', mute });
}
