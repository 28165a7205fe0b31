/** One line of input: edited until it is entered, then left on the screen. */
import { Box, Text, useApp, useInput } from 'ink';
import { useState } from 'react';
import { editLine, emptyLine, type Key, type Line, replaceBefore } from './line-editor.ts';

interface Props {
  readonly prompt: string;
  readonly history: readonly string[];
  complete(line: string): { readonly start: number; readonly candidates: readonly string[] };
  /** The line, or null at ctrl-d on an empty one. */
  done(line: string | null): void;
}

export function Prompt({ prompt, history, complete, done }: Props) {
  const { exit } = useApp();
  const [line, setLine] = useState(() => emptyLine(history));
  const [choices, setChoices] = useState<readonly string[]>([]);
  const [entered, setEntered] = useState(false);

  const leave = (answer: string | null) => {
    setChoices([]);
    setEntered(true);
    done(answer);
    exit();
  };

  useInput((input, key) => {
    if (entered) return;
    if (key.return || input === '\r') return leave(line.text);
    if (key.ctrl && input === 'd' && line.text === '') return leave(null);
    if (key.ctrl && input === 'c') return setLine(emptyLine(history));
    if (key.tab) {
      const { start, candidates } = complete(line.text.slice(0, line.cursor));
      setLine(completed(line, start, candidates));
      return setChoices(candidates.length > 1 ? candidates : []);
    }
    // A paste of several lines arrives in one piece: its first line counts.
    const [first = '', ...more] = input.split(/\r\n?|\n/);
    const edited = editLine(line, keyOf(first, key), history);
    setChoices([]);
    if (more.length > 0) return leave(edited.text);
    setLine(edited);
  });

  return (
    <Box flexDirection="column">
      <Text>
        {prompt}
        <Shown line={line} cursor={!entered} />
      </Text>
      {choices.length > 0 && <Text dimColor>{choices.slice(0, 60).map(lastName).join('  ')}</Text>}
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

interface InkKey {
  readonly leftArrow: boolean;
  readonly rightArrow: boolean;
  readonly upArrow: boolean;
  readonly downArrow: boolean;
  readonly home?: boolean;
  readonly end?: boolean;
  readonly backspace: boolean;
  readonly delete: boolean;
  readonly ctrl: boolean;
  readonly meta: boolean;
}

/** Ink calls the key that terminals send for backspace "delete", and gives the true delete key's code as it is. */
function keyOf(input: string, key: InkKey): Key {
  if (key.leftArrow) return { input: '', name: 'left' };
  if (key.rightArrow) return { input: '', name: 'right' };
  if (key.upArrow) return { input: '', name: 'up' };
  if (key.downArrow) return { input: '', name: 'down' };
  if (key.home || input === '[H' || input === '[1~') return { input: '', name: 'home' };
  if (key.end || input === '[F' || input === '[4~') return { input: '', name: 'end' };
  if (input === '[3~') return { input: '', name: 'delete' };
  if (key.backspace || key.delete) return { input: '', name: 'backspace' };
  return { input, ctrl: key.ctrl, meta: key.meta };
}
