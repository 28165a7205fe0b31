/**
 * The interactive shell: ink draws the line being edited, hints, progress and views; what commands print scrolls by
 * above it. The engine works in another thread, so keys are answered while it does.
 */
import { render } from 'ink';
import { App } from './app.tsx';
import { dumbShell } from './dumb.ts';
import { EngineClient } from './engine-client.ts';
import { loadHistory } from './history.ts';

/** Starts the engine's thread on `program` and its arguments, and runs lines until the session is over; the exit status. */
export function startShell(program: string, args: readonly string[]): Promise<number> {
  const engine = new EngineClient(program, args);
  const dumb = process.env.TERM === 'dumb' || process.env.TERM === undefined;
  return dumb ? dumbShell(engine) : shell(engine);
}

async function shell(engine: EngineClient): Promise<number> {
  const history = loadHistory();
  let status = 0;
  await new Promise<void>((resolve) => {
    const done = (code: number) => {
      status = code;
      instance.unmount();
      resolve();
    };
    const instance = render(<App engine={engine} history={history} done={done} />, {
      exitOnCtrlC: false,
      patchConsole: false,
    });
  });
  return status;
}
