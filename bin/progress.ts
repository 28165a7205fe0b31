/** Progress of one-shot runs on a terminal: a line on stderr that is gone when the work is done. */
import { writeSync } from 'node:fs';
import { type StepWatcher, watchSteps } from '../core/steps.ts';
import { PATIENCE, progressText } from './shell/progress-text.ts';

const INTERVAL = 100;

/** Shows how far the commands are, on a terminal of so many columns; returns what ends a command's line. */
export function showProgress(columns: number): { begin(command: string): void; end(): void } {
  const line = new ProgressLine(columns);
  watchSteps(line);
  return line;
}

class ProgressLine implements StepWatcher {
  private readonly columns: number;
  private command = '';
  private done = 0;
  private total = 0;
  private bytes = false;
  private started = performance.now();
  private last = performance.now();
  private visible = false;
  private calls = 0;

  constructor(columns: number) {
    this.columns = columns;
  }

  begin(command: string): void {
    this.end();
    this.command = command;
    this.done = 0;
    this.total = 0;
    this.bytes = false;
    this.started = performance.now();
  }

  /** Takes the line away. */
  end(): void {
    if (this.visible) writeSync(2, '\r\u001b[K');
    this.visible = false;
  }

  expect(bytes: number): void {
    this.total = Number.isFinite(bytes) ? bytes : 0;
    this.bytes = true;
  }

  advance(bytes: number): void {
    this.bytes ||= this.done === 0;
    this.done += bytes;
    this.show();
  }

  step(done: number, total: number): void {
    if (this.bytes && this.done > 0) return;
    this.bytes = false;
    this.done = done;
    this.total = total;
    this.show();
  }

  private show(): void {
    // The clock costs more than the comparison.
    if ((++this.calls & 15) !== 0) return;
    const now = performance.now();
    if (now - this.last < INTERVAL || now - this.started < PATIENCE * 1000) return;
    this.last = now;
    const text = progressText(this.command, this.progress, (now - this.started) / 1000).slice(0, this.columns - 1);
    writeSync(2, `\r${text}\u001b[K`);
    this.visible = true;
  }

  get progress() {
    return { done: this.done, total: this.total, bytes: this.bytes };
  }
}
