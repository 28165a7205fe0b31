/** help: the commands there are, from their declarations. */
import type { OptionSpecs } from '../core/vfs/word.ts';
import { type Command, type CommandSpec, command, dashes, usageLine } from './command.ts';
import { CommandFailure } from './failure.ts';
import type { Session } from './session.ts';
import type { TextSink } from './text.ts';

/** A command as programs are told of it. */
interface Declaration {
  readonly name: string;
  readonly alias?: string;
  /** as the usage line shows them */
  readonly operands?: string;
  /** what it does, in one line */
  readonly about: string;
  /** further lines */
  readonly help?: string;
  /** by their letter or long name */
  readonly options?: OptionSpecs;
}

interface Help {
  readonly commands: readonly Command[];
  readonly detailed: boolean;
}

/** The help command over the commands that `list` and `find` answer with. */
export function helpCommand(
  list: (session: Session) => readonly Command[],
  find: (session: Session, name: string) => Command | null,
): CommandSpec<OptionSpecs, Help, { command: string; commands: Declaration[] }> {
  return command({
    name: 'help',
    alias: '?',
    count: [0, 1],
    operands: '[command]',
    about: 'help for one or all commands',
    plain: true,
    needs: 'nothing',
    once: true,
    run(session, { operands }): Help {
      const [name] = operands;
      if (name === undefined) return { commands: list(session), detailed: false };
      const found = find(session, name);
      if (found === null) throw new CommandFailure(`command ${name} not found`, { stream: 'stdout', silent: true });
      return { commands: [found], detailed: true };
    },
    text({ commands, detailed }, out) {
      for (const spec of commands) out.write(`${usageLine(spec)}\n`);
      if (!detailed) out.write("\nUse 'help commandname' for extended help.\n");
      else for (const spec of commands) writeDetails(spec, out);
    },
    json: ({ commands }) => ({ command: 'help', commands: commands.map(declaration) }),
  });
}

function writeDetails(spec: Command, out: TextSink): void {
  if (spec.alias !== undefined) out.write(`\n Also: ${spec.alias}\n`);
  if (spec.help !== undefined) out.write(`\n${spec.help.replace(/^/gm, ' ')}\n`);
  const options = Object.entries((spec.options ?? {}) as OptionSpecs);
  if (options.length > 0) out.write('\n');
  for (const [letter, option] of options) {
    const form = option.value === undefined ? dashes(letter) : `${dashes(letter)} ${option.value}`;
    out.write(` ${form.padEnd(10)} -- ${option.about}\n`);
  }
}

function declaration({ name, alias, operands, about, help, options }: Command): Declaration {
  return { name, alias, operands, about, help, options } as Declaration;
}
