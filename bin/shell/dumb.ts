/** The shell where the terminal can do nothing: a prompt, a line, its output. Ctrl-C still ends a command well. */
import { createInterface } from 'node:readline';
import type { EngineClient } from './engine-client.ts';

/** Reads and runs lines until the session is over; the exit status. */
export function dumbShell(engine: EngineClient): Promise<number> {
  const lines: string[] = [];
  let prompt = '';
  let closed = false;
  const input = createInterface({ input: process.stdin, terminal: false });
  process.on('SIGINT', () => {
    if (engine.busy) engine.stop();
    else process.stdout.write(`\n${prompt}`);
  });
  return new Promise((resolve) => {
    const next = () => {
      if (engine.busy) return;
      const line = lines.shift();
      if (line !== undefined) engine.run(line);
      else if (closed) engine.end();
    };
    input.on('line', (line) => {
      lines.push(line);
      next();
    });
    input.on('close', () => {
      closed = true;
      next();
    });
    engine.events = {
      output(bytes, error) {
        (error ? process.stderr : process.stdout).write(bytes, () => engine.shown(bytes.length));
      },
      ready(text, ended) {
        prompt = text;
        if (ended) engine.end();
        else {
          if (lines.length === 0) process.stdout.write(prompt);
          next();
        }
      },
      view() {},
      exit(status) {
        input.close();
        resolve(status);
      },
    };
  });
}
