/**
 * Results and failures as a person or a program reads them: xfs_io's lines, or one JSON object a line. Also keeps
 * the exit status, since what counts as failed is decided where failures end up.
 */
import type { Command } from './command.ts';
import type { CommandFailure } from './failure.ts';
import type { Session } from './session.ts';
import type { TextSink } from './text.ts';

/** Where rendered text goes; complaints reach their stream after what was written before them. */
export interface Streams {
  readonly out: TextSink;
  error(line: string): void;
}

export interface Renderer {
  /** Has a result of the latest command been rendered? */
  begun: boolean;
  results(session: Session, command: Command, results: unknown): void;
  failure(session: Session, command: string, failure: CommandFailure): void;
}

/** xfs_io's text. */
export class TextRenderer implements Renderer {
  begun = false;
  private readonly streams: Streams;

  constructor(streams: Streams) {
    this.streams = streams;
  }

  results(_session: Session, command: Command, results: unknown): void {
    const { text } = command;
    if (text === undefined) {
      drain(results);
      return;
    }
    if (results === undefined) return;
    if (!isIterable(results)) {
      text(results, this.streams.out);
      return;
    }
    for (const result of results) {
      this.begun = true;
      text(result, this.streams.out);
      if (this.streams.out.closed) break;
    }
  }

  failure(session: Session, _command: string, failure: CommandFailure): void {
    if (failure.complaint !== undefined) this.streams.error(failure.complaint);
    if (failure.mute) count(session, failure);
    if (failure.mute) return;
    if (failure.stream === 'stdout') this.streams.out.write(`${failure.message}\n`);
    else this.streams.error(failure.message);
    count(session, failure);
  }
}

/** One JSON object for every result and every failure. */
export class JsonRenderer implements Renderer {
  begun = false;
  private readonly out: TextSink;
  private readonly large: 'digits' | 'text';

  /** `large`: how numbers are written that JavaScript's own reader of JSON would round. */
  constructor(streams: Streams, large: 'digits' | 'text' = 'digits') {
    this.out = streams.out;
    this.large = large;
  }

  results(session: Session, command: Command, results: unknown): void {
    let any = false;
    for (const result of each(results)) {
      any = true;
      this.begun = true;
      const object =
        command.json === undefined ? { ...header(session, command), ...(result as object) } : command.json(result);
      this.out.write(`${jsonText(object, this.large)}\n`);
    }
    if (!any && command.json === undefined) this.out.write(`${JSON.stringify(header(session, command))}\n`);
  }

  failure(session: Session, command: string, failure: CommandFailure): void {
    const error = { code: failure.code ?? null, message: failure.complaint ?? failure.message };
    this.out.write(`${JSON.stringify({ command, error })}\n`);
    count(session, failure);
  }
}

function header(session: Session, command: Command): object {
  if ((command.needs ?? 'file') !== 'file') return { command: command.name };
  return { command: command.name, file: session.current?.name };
}

function count(session: Session, failure: CommandFailure): void {
  if (!failure.silent || session.strict) session.exitCode = failure.status;
}

function each(results: unknown): Iterable<unknown> {
  if (results === undefined) return [];
  return isIterable(results) ? results : [results];
}

function isIterable(value: unknown): value is Iterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.iterator in value;
}

function drain(results: unknown): void {
  if (isIterable(results)) for (const _ of results);
}

/** Marks a number in text; no name has it by chance. */
const MARK = `\u{F0000}${process.pid}:`;
const MARKED = new RegExp(`"${MARK}(-?[0-9]+)"`, 'gu');

/** One line of JSON. Of numbers beyond 2^53 every digit is written. */
function jsonText(object: object, large: 'digits' | 'text'): string {
  try {
    return JSON.stringify(object);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    const mark = large === 'digits' ? MARK : '';
    const text = JSON.stringify(object, (_, value) => (typeof value === 'bigint' ? `${mark}${value}` : value));
    return large === 'digits' ? text.replace(MARKED, '$1') : text;
  }
}
