/**
 * The interactive shell. Ink draws only the line being edited; once it is entered, ink leaves the terminal and the
 * command's output streams to it as it would in a pipe.
 */
import { render } from 'ink';
import { loadHistory, remember } from './history.ts';
import type { ShellHost } from './host.ts';
import { type Answer, Prompt } from './prompt.tsx';

/** Reads and runs lines until the session is over. */
export async function shell(host: ShellHost): Promise<void> {
  const history = loadHistory();
  let typedAhead: Answer['typedAhead'] = [];
  for (;;) {
    const answer = await readLine(host, history, typedAhead);
    if (answer.line === null) return;
    remember(history, answer.line);
    if (!host.run(answer.line)) return;
    typedAhead = answer.typedAhead;
  }
}

async function readLine(
  host: ShellHost,
  history: readonly string[],
  typedAhead: Answer['typedAhead'],
): Promise<Answer> {
  let answer: Answer = { line: null, typedAhead: [] };
  const done = (given: Answer) => {
    answer = given;
  };
  const prompt = <Prompt host={host} history={history} typedAhead={typedAhead} done={done} />;
  await render(prompt, { exitOnCtrlC: false, patchConsole: false }).waitUntilExit();
  return answer;
}
