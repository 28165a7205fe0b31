/** The lines typed in earlier sessions; a history that cannot be kept is no reason to complain. */
import { appendFileSync, mkdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

const KEPT = 1000;

function place(): string {
  return join(process.env.XDG_STATE_HOME ?? join(homedir(), '.local', 'state'), 'fsio', 'history');
}

/** Lines of earlier sessions, oldest first. */
export function loadHistory(): string[] {
  try {
    return readFileSync(place(), 'utf8').split('\n').filter(Boolean).slice(-KEPT);
  } catch {
    return [];
  }
}

/** Adds a line to `history` and to the file, unless it repeats the last one. */
export function remember(history: string[], line: string): void {
  if (line.trim() === '' || history.at(-1) === line) return;
  history.push(line);
  try {
    mkdirSync(dirname(place()), { recursive: true });
    appendFileSync(place(), `${line}\n`, { mode: 0o600 });
  } catch {}
}
