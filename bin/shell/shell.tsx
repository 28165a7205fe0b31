/**
 * The interactive shell. Ink draws only the line being edited; once it is entered, ink leaves the terminal and the
 * command's output streams to it as it would in a pipe.
 */
import { render } from 'ink';
import { loadHistory, remember } from './history.ts';
import type { ShellHost } from './host.ts';
import { Prompt } from './prompt.tsx';

/** Reads and runs lines until the session is over. */
export async function shell(host: ShellHost): Promise<void> {
  const history = loadHistory();
  for (;;) {
    const line = await readLine(host, history);
    if (line === null) return;
    remember(history, line);
    if (!host.run(line)) return;
  }
}

async function readLine(host: ShellHost, history: readonly string[]): Promise<string | null> {
  let answer: string | null = null;
  const done = (line: string | null) => {
    answer = line;
  };
  const prompt = (
    <Prompt prompt={host.prompt()} history={history} complete={(line) => host.complete(line)} done={done} />
  );
  await render(prompt, { exitOnCtrlC: false, patchConsole: false }).waitUntilExit();
  return answer;
}
