/** One line of input: edited until it is entered, then left on the screen. */
import { Box, Text, useApp, useInput } from 'ink';
import { useEffect, useRef, useState } from 'react';
import type { ShellHost } from './host.ts';
import { type InkKey, keysOf } from './keys.ts';
import { editLine, emptyLine, type Key, type Line, replaceBefore } from './line-editor.ts';

/** What a prompt ended with. */
export interface Answer {
  /** The line, or null at ctrl-d on an empty one. */
  readonly line: string | null;
  /** Keys that were typed after it: the next prompt's. */
  readonly typedAhead: readonly Key[];
}

interface Props {
  readonly host: ShellHost;
  readonly history: readonly string[];
  readonly typedAhead: readonly Key[];
  done(answer: Answer): void;
}

export function Prompt({ host, history, typedAhead, done }: Props) {
  const { exit } = useApp();
  // A piece of input may hold many keys, so the state cannot wait for a drawing between two of them.
  const line = useRef(emptyLine(history));
  const choices = useRef<readonly string[]>([]);
  const entered = useRef(false);
  const [, draw] = useState(0);

  const press = (keys: readonly Key[]) => {
    for (const [i, key] of keys.entries()) {
      if (entered.current) break;
      choices.current = [];
      if (key.name === 'enter') leave(line.current.text, keys.slice(i + 1));
      else if (key.ctrl && key.input === 'd' && line.current.text === '') leave(null, []);
      else if (key.ctrl && key.input === 'c') line.current = emptyLine(history);
      else if (key.name === 'tab') complete();
      else line.current = editLine(line.current, key, history);
    }
    draw((count) => count + 1);
  };

  const leave = (text: string | null, rest: readonly Key[]) => {
    entered.current = true;
    done({ line: text, typedAhead: rest });
  };

  const complete = () => {
    const { start, candidates } = host.complete(line.current.text.slice(0, line.current.cursor));
    line.current = completed(line.current, start, candidates);
    choices.current = candidates.length > 1 ? candidates : [];
  };

  useInput((input, key) => press(keysOf(input, key as InkKey)));
  // biome-ignore lint/correctness/useExhaustiveDependencies: once, when the prompt appears
  useEffect(() => press(typedAhead), []);
  // The last drawing shows the line as it was entered; only then does ink go.
  useEffect(() => {
    if (entered.current) exit();
  });

  return (
    <Box flexDirection="column">
      <Text>
        {host.prompt()}
        <Shown line={line.current} cursor={!entered.current} />
      </Text>
      {choices.current.length > 0 && <Text dimColor>{choices.current.slice(0, 60).map(lastName).join('  ')}</Text>}
    </Box>
  );
}

function Shown({ line: { text, cursor }, cursor: visible }: { line: Line; cursor: boolean }) {
  if (!visible) return <Text>{text}</Text>;
  const under = String.fromCodePoint(text.codePointAt(cursor) ?? 32);
  return (
    <Text>
      {text.slice(0, cursor)}
      <Text inverse>{under}</Text>
      {text.slice(cursor + under.length)}
    </Text>
  );
}

/** The line after tab: the only candidate and a blank, or what all candidates begin with. */
function completed(line: Line, start: number, candidates: readonly string[]): Line {
  const [only] = candidates;
  if (only === undefined) return line;
  if (candidates.length === 1) return replaceBefore(line, start, only.endsWith('/') ? only : `${only} `);
  let common = only;
  for (const candidate of candidates) while (!candidate.startsWith(common)) common = common.slice(0, -1);
  return common.length > line.cursor - start ? replaceBefore(line, start, common) : line;
}

const lastName = (path: string): string => /[^/]*\/?$/.exec(path)?.[0] ?? path;
