/** Completion for bash, zsh and fish, from the declarations of options and commands. */
import type { Command } from '../commands/command.ts';
import type { OptionInfo } from './arguments.ts';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type ShellName = (typeof SHELLS)[number];

/** The script that the shell reads. */
export function completionScript(
  shell: ShellName,
  options: readonly OptionInfo[],
  commands: readonly Command[],
): string {
  return { bash, zsh, fish }[shell](options, commands);
}

const dashed = ({ name }: OptionInfo): string => `${name.length === 1 ? '-' : '--'}${name}`;

/** What the value of an option is. */
function valueKind({ name, value }: OptionInfo): 'command' | 'file' | 'other' | null {
  if (value === undefined) return null;
  if (name === 'c' || name === 'C') return 'command';
  return ['device', 'overlay', 'connect'].includes(name) ? 'file' : 'other';
}

function withKind(options: readonly OptionInfo[], kind: ReturnType<typeof valueKind>): OptionInfo[] {
  return options.filter((option) => valueKind(option) === kind);
}

/** In single quotes for a shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function bash(options: readonly OptionInfo[], commands: readonly Command[]): string {
  const pattern = (kind: 'command' | 'file' | 'other') => withKind(options, kind).map(dashed).join('|');
  return `# bash completion for fsio: source it, or put it into bash_completion.d as fsio
_fsio() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]}
  local IFS=$'\\n'
  case $before in
    ${pattern('command')}) COMPREPLY=($(compgen -W ${quoted(commands.map(({ name }) => name).join('\n'))} -- "$word")); return ;;
    ${pattern('file')}) COMPREPLY=($(compgen -f -- "$word")); return ;;
    ${pattern('other')}) return ;;
  esac
  if [[ $word == -* ]]; then
    COMPREPLY=($(compgen -W ${quoted(options.map(dashed).join('\n'))} -- "$word"))
  else
    COMPREPLY=($(compgen -f -- "$word"))
  fi
}
complete -o filenames -F _fsio fsio
`;
}

function zsh(options: readonly OptionInfo[], commands: readonly Command[]): string {
  const inBrackets = (text: string) => text.replace(/[\\:[\]]/g, '\\$&');
  const specs = options.map((option) => {
    const kind = valueKind(option);
    const action = { command: '_fsio_commands', file: '_files', other: '' };
    const value = kind === null ? '' : `:${inBrackets(option.value ?? '')}:${action[kind]}`;
    return `    ${quoted(`*${dashed(option)}[${inBrackets(option.about)}]${value}`)}`;
  });
  const names = commands.map(({ name, about }) => `    ${quoted(`${inBrackets(name)}:${inBrackets(about)}`)}`);
  return `#compdef fsio
# zsh completion for fsio: put it into a directory of $fpath as _fsio
_fsio_commands() {
  local -a commands=(
${names.join('\n')}
  )
  _describe command commands
}
_fsio() {
  _arguments \\
${specs.map((spec) => `${spec} \\`).join('\n')}
    '*:image:_files'
}
if [[ $funcstack[1] == _fsio ]]; then _fsio "$@"; else compdef _fsio fsio; fi
`;
}

function fish(options: readonly OptionInfo[], commands: readonly Command[]): string {
  const lines = options.map((option) => {
    const { name, about } = option;
    const kind = valueKind(option);
    const form = name.length === 1 ? `-s ${name}` : `-l ${name}`;
    const names = commands.map((command) => command.name).join(' ');
    const value = { command: ` -x -a ${quoted(names)}`, file: ' -r -F', other: ' -x' };
    return `complete -c fsio ${form}${kind === null ? '' : value[kind]} -d ${quoted(about)}`;
  });
  return `# fish completion for fsio: put it into ~/.config/fish/completions as fsio.fish\n${lines.join('\n')}\n`;
}
