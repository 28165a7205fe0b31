/** The command line within the test's own process: what it answers, without node's start, for tests of many cases. */

import { parseCommandLine } from '../../bin/arguments.ts';
import { newMounts, newSession, openTargets } from '../../bin/setup.ts';
import { JsonRenderer, TextRenderer } from '../../commands/render.ts';
import { runLine } from '../../commands/run.ts';
import { encodeName } from '../../core/vfs/names.ts';
import type { Outcome } from './kernel.ts';

/** As fsio(): `fsio ARGS` with commands from -c and -C, or else from the script `input`. */
export function fsioInside(args: readonly string[], input = ''): Outcome {
  const out: Buffer[] = [];
  const err: string[] = [];
  const text = (value: string) => void out.push(Buffer.from(encodeName(value)));
  const sink = { closed: false, write: text, bytes: (data: Uint8Array) => void out.push(Buffer.from(data)) };
  const streams = { out: sink, error: (line: string) => void err.push(`${line}\n`) };
  const line = parseCommandLine(args, {});
  if (line.complaint !== null) return { status: 1, stdout: '', stderr: `fsio: ${line.complaint}\n` };
  const renderer = line.flags.has('json') ? new JsonRenderer(streams) : new TextRenderer(streams);
  const session = newSession(line, newMounts(line, streams));
  const scripted = input.split('\n').map((command) => ({ line: command, everyFile: false }));
  if (!openTargets(session, line, renderer)) session.exitCode ||= 1;
  else
    for (const { line: command, everyFile } of line.commands.length > 0 ? line.commands : scripted) {
      if (session.ended) break;
      runLine(session, command, renderer, everyFile);
    }
  for (const failure of session.end()) {
    streams.error(`fsio: ${failure.message}`);
    session.exitCode = 1;
  }
  return { status: session.exitCode, stdout: Buffer.concat(out).toString('latin1'), stderr: err.join('') };
}
