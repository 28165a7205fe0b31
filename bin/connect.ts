/** `fsio --connect SOCKET`: the commands of this command line, run by a server that has the images open. */
import { connect } from 'node:net';
import type { Streams } from '../commands/render.ts';
import { quoteWord } from '../commands/words.ts';
import { decodeName, encodeName } from '../core/vfs/names.ts';
import { type CommandLine, splitTarget } from './arguments.ts';

/** Sends what `line` asks for and prints the answers; the exit status. */
export function runConnected(
  line: CommandLine,
  path: string,
  script: Iterable<string>,
  streams: Streams,
): Promise<number> {
  return new Promise((resolve) => {
    const socket = connect(path);
    let status = 0;
    let rest: Buffer = Buffer.alloc(0);
    socket.once('connect', () => {
      for (const words of requests(line, script)) socket.write(Buffer.concat([encodeName(words), Buffer.from('\n')]));
      socket.end();
    });
    socket.on('data', (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk]);
      for (;;) {
        const frame = takeFrame(rest);
        if (frame === null) break;
        rest = frame.rest;
        if (frame.kind === 'done') status ||= frame.status;
        else if (frame.kind === 'out') streams.out.bytes(frame.bytes);
        else streams.error(decodeName(frame.bytes).replace(/\n$/, ''));
      }
    });
    socket.once('error', (error) => {
      streams.error(`fsio: ${path}: ${error.message}`);
      status = 1;
    });
    socket.once('close', () => resolve(status));
  });
}

/** The lines that stand for a command line. */
function* requests(line: CommandLine, script: Iterable<string>): Generator<string> {
  yield '!frames';
  yield `!cwd ${process.cwd()}`;
  if (line.flags.has('json')) yield '!json';
  if (line.flags.has('strict')) yield '!strict';
  const letters = ['r', 'f', 'a', 'd', 's', 't', 'n', 'L', 'T'].filter((letter) => line.flags.has(letter)).join('');
  const options = `${letters === '' ? '' : `-${letters} `}-m 0${line.mode.toString(8)}`;
  for (const target of line.targets) {
    const { image, path } = splitTarget(target, line.places);
    yield `!image ${image}`;
    if (path !== null) yield `open ${options} ${quoteWord(path)}`;
  }
  if (line.commands.length > 0) for (const command of line.commands) yield command.line;
  else yield* script;
}

type Frame =
  | { readonly kind: 'out' | 'err'; readonly bytes: Buffer; readonly rest: Buffer }
  | { readonly kind: 'done'; readonly status: number; readonly rest: Buffer };

function takeFrame(data: Buffer): Frame | null {
  const end = data.indexOf(10);
  if (end < 0) return null;
  const [kind, number = ''] = data.toString('latin1', 1, end).split(' ');
  if (kind === 'done') return { kind, status: Number(number), rest: data.subarray(end + 1) };
  const length = Number(number);
  if (data.length < end + 2 + length) return null;
  const bytes = data.subarray(end + 1, end + 1 + length);
  return { kind: kind === 'err' ? 'err' : 'out', bytes, rest: data.subarray(end + 2 + length) };
}
