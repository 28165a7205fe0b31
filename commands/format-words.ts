/** The words of the open image's format, as commands of the session. */
import type { Word, WordContext, WordResult } from '../core/vfs/word.ts';
import { type Command, command, usage } from './command.ts';
import type { Session } from './session.ts';

/** The commands that the format of the session's image adds; none without an image. */
export function formatCommands(session: Session): readonly Command[] {
  return wordsOf(session).map(asCommand);
}

/** The word of this name, if there is one and, where `known` has the same name, it is meant. */
export function formatCommand(
  session: Session,
  name: string,
  known: Command | null,
  words: readonly string[],
): Command | null {
  const found = wordsOf(session).find((word) => word.name === name || word.alias === name);
  if (found === undefined) return null;
  const spec = asCommand(found);
  if (known === null) return spec;
  return (found.claims?.(contextOf(session, spec), words) ?? true) ? spec : null;
}

/** Words as commands: what they are called and how they are used. */
export function formatWordsAsCommands(words: readonly Word[]): readonly Command[] {
  return words.map(asCommand);
}

function wordsOf(session: Session): readonly Word[] {
  return session.openedMount()?.fs.words ?? [];
}

function asCommand(word: Word): Command {
  const { name, alias, operands, count, about, help, options } = word;
  const spec: Command = command({
    name,
    about,
    ...(alias === undefined ? {} : { alias }),
    ...(operands === undefined ? {} : { operands }),
    ...(count === undefined ? {} : { count }),
    ...(help === undefined ? {} : { help }),
    ...(options === undefined ? {} : { options }),
    ...(word.plain ? { plain: true } : {}),
    ...(word.mildUsage ? { mildUsage: true } : {}),
    ...(word.expert ? { expert: true } : {}),
    needs: word.needsFile ? 'file' : 'image',
    ...(word.xfsIo === 'file' ? {} : { once: true }),
    ...(word.xfsIo === undefined ? {} : { perFile: true }),
    run(session, args): WordResult | Iterable<WordResult> | undefined {
      return word.run(contextOf(session, spec), args);
    },
    text: (result, out) => result.text(out),
    json: ({ data }) => ({ command: name, ...data }),
  });
  return spec;
}

function contextOf(session: Session, spec: Command): WordContext {
  return {
    fs: session.mount().fs,
    file: session.current,
    program: session.program,
    size: (word) => session.sizeOrNull(word),
    lookup: (path) => session.lookup(path, { follow: false }),
    usage: () => usage(spec),
  };
}
