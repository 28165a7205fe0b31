/** The shell's screen: one line being edited, and around it what the moment needs. */
import { Box, Text, useApp, useInput, useStdout } from 'ink';
import { useEffect, useRef, useState } from 'react';
import type { View } from '../../commands/view.ts';
import { quoteWord } from '../../commands/words.ts';
import { BrowseView } from './browse-view.tsx';
import { completed, lastName } from './completion.ts';
import type { Completion, EngineClient } from './engine-client.ts';
import { hintFor } from './hints.ts';
import { remember } from './history.ts';
import { beginSearch, type Search, searchKey } from './history-search.ts';
import { type InkKey, keysOf } from './keys.ts';
import { editLine, emptyLine, type Key, type Line } from './line-editor.ts';
import { MapView } from './map-view.tsx';
import { PATIENCE, progressText } from './progress-text.ts';
import { ScreenOutput } from './screen-output.ts';
import { inverse } from './styles.ts';

/** No colours for those who want none (no-color.org); letters say the same. */
const COLORS = (process.env.NO_COLOR ?? '') === '';

interface Props {
  readonly engine: EngineClient;
  readonly history: string[];
  done(status: number): void;
}

/** Everything that keys and the engine change; drawn after every change. */
interface State {
  prompt: string;
  line: Line;
  /** While the history is searched. */
  search: Search | null;
  /** Lines that were entered while the engine worked. */
  readonly queue: string[];
  choices: readonly string[];
  running: string | null;
  started: number;
  /** Output was cut by the user. */
  dropped: boolean;
  ending: boolean;
  view: View | null;
}

export function App({ engine, history, done }: Props) {
  const { exit } = useApp();
  const { stdout, write } = useStdout();
  const [, draw] = useState(0);
  const redraw = () => draw((count) => count + 1);
  const output = useRef(new ScreenOutput()).current;
  const state = useRef<State>({
    prompt: '',
    line: emptyLine(history),
    search: null,
    queue: [],
    choices: [],
    running: '',
    started: performance.now(),
    dropped: false,
    ending: false,
    view: null,
  }).current;
  const columns = stdout.columns || 80;
  const rows = stdout.rows || 24;

  const print = (text: string) => {
    if (text !== '') write(text);
  };

  const run = (line: string) => {
    print(`${state.prompt}${line}\n`);
    if (line.trim() === '') return next();
    state.running = line.trim().split(/\s/)[0] as string;
    state.started = performance.now();
    state.dropped = false;
    output.begin(rows);
    engine.run(line);
  };

  /** What was entered meanwhile, if anything. */
  const next = () => {
    const line = state.queue.shift();
    if (line !== undefined) run(line);
  };

  const end = () => {
    if (state.ending) return;
    state.ending = true;
    state.line = emptyLine(history);
    engine.end();
  };

  const enter = (text: string) => {
    remember(history, text);
    state.line = emptyLine(history);
    if (state.running !== null) state.queue.push(text);
    else run(text);
  };

  const stop = () => {
    engine.stop();
    state.queue.length = 0;
    state.dropped = true;
    output.drop();
  };

  const press = (key: Key) => {
    state.choices = [];
    if (output.full) page(key);
    else if (state.search !== null && search(state.search, key)) return;
    else if (key.ctrl && key.input === 'r') state.search = beginSearch(state.line);
    else if (key.name === 'enter') enter(state.line.text);
    else if (key.ctrl && key.input === 'c') {
      if (state.running !== null) stop();
      else state.line = emptyLine(history);
    } else if (key.ctrl && key.input === 'd' && state.line.text === '') {
      if (state.running === null) end();
    } else if (key.name === 'tab') complete();
    else state.line = editLine(state.line, key, history);
  };

  /** True if the key was one of the search. */
  const search = (under: Search, key: Key): boolean => {
    const step = searchKey(under, state.line, key, history);
    state.search = step.search;
    state.line = step.line;
    return !step.again;
  };

  const page = (key: Key) => {
    if (key.input === 'q' || (key.ctrl && key.input === 'c')) stop();
    else if (key.input === 'a') print(output.more(Number.POSITIVE_INFINITY, columns));
    else if (key.name === 'enter' || key.name === 'down') print(output.more(1, columns));
    else if (key.input === ' ' || key.input === 'f') print(output.more(rows - 2, columns));
    finishIfShown();
  };

  const complete = () => {
    if (state.running !== null) return;
    const { text, cursor } = state.line;
    engine.complete(text.slice(0, cursor)).then((completion: Completion) => {
      // Typed on meanwhile: the answer is to another line.
      if (state.line.text !== text || state.line.cursor !== cursor) return;
      state.line = completed(state.line, completion);
      state.choices = completion.candidates.length > 1 ? completion.candidates : [];
      redraw();
    });
  };

  /** The command has ended and all of its output is on the screen. */
  const finished = useRef<(() => void) | null>(null);
  const finishIfShown = () => {
    if (output.full || finished.current === null) return;
    const last = finished.current;
    finished.current = null;
    last();
  };

  useInput((input, key) => {
    if (!state.ending && state.view === null) for (const one of keysOf(input, key as InkKey)) press(one);
    redraw();
  });

  // biome-ignore lint/correctness/useExhaustiveDependencies: once, when the shell appears
  useEffect(() => {
    engine.events = {
      output(bytes, error) {
        if (!state.dropped || error) print(output.take(bytes, columns));
        engine.shown(bytes.length);
        redraw();
      },
      ready(prompt, ended) {
        finished.current = () => {
          if (!state.dropped) print(output.end());
          state.prompt = prompt;
          state.running = null;
          if (ended) end();
          else next();
          redraw();
        };
        finishIfShown();
        redraw();
      },
      view(view) {
        state.view = view;
        redraw();
      },
      exit(status) {
        print(output.end());
        exit();
        done(status);
      },
    };
    const clock = setInterval(() => {
      if (state.running !== null) redraw();
    }, 100);
    const resized = () => redraw();
    stdout.on('resize', resized);
    return () => {
      clearInterval(clock);
      stdout.off('resize', resized);
    };
  }, []);

  const leave = (line?: string) => {
    // The key that leaves a view is not also one for the line.
    setImmediate(() => {
      state.view = null;
      if (line !== undefined) run(`map ${quoteWord(line)}`);
      redraw();
    });
  };
  if (state.ending) return <Text> </Text>;
  if (state.view?.kind === 'map') return <MapView model={state.view.model} colors={COLORS} leave={() => leave()} />;
  if (state.view?.kind === 'browse') return <BrowseView engine={engine} start={state.view.path} leave={leave} />;
  const seconds = (performance.now() - state.started) / 1000;
  const busy = state.running !== null && seconds > PATIENCE && !output.full;
  const typing = state.running === null || state.line.text !== '' || state.search !== null;
  const hint = typing && state.search === null ? hintFor(state.line.text, engine.words, columns) : '';
  return (
    <Box flexDirection="column" width={columns}>
      {busy && <Text wrap="truncate">{busyText(engine, state.running as string, seconds)}</Text>}
      {output.full && (
        <Text wrap="truncate">{inverse('-- more -- space: a page, enter: a line, a: all, q: enough')}</Text>
      )}
      {typing && !output.full && (
        <Text>
          {state.search !== null ? searchText(state.search) : state.running === null ? state.prompt : ''}
          <Shown line={state.line} />
        </Text>
      )}
      {hint !== '' && !output.full && (
        <Text dimColor wrap="truncate">
          {hint}
        </Text>
      )}
      {state.choices.length > 0 && <Text dimColor>{state.choices.slice(0, 60).map(lastName).join('  ')}</Text>}
    </Box>
  );
}

function searchText({ query, failed }: Search): string {
  return `(${failed ? 'no earlier line with' : 'earlier line with'} '${query}') `;
}

function busyText(engine: EngineClient, running: string, seconds: number): string {
  const stopping = engine.stopping ? 'stopping: ' : '';
  const way = engine.stopping ? '' : ' (ctrl-c stops)';
  return `${stopping}${progressText(running || 'opening', engine.progress(), seconds)}${way}`;
}

function Shown({ line: { text, cursor } }: { line: Line }) {
  const under = String.fromCodePoint(text.codePointAt(cursor) ?? 32);
  return (
    <Text>
      {text.slice(0, cursor)}
      {inverse(under)}
      {text.slice(cursor + under.length)}
    </Text>
  );
}
