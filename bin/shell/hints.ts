/** The syntax of the command that is being typed. */
import type { WordHint } from './protocol.ts';

/** One line below the prompt: the usage of the word at the start of the line, or ''. */
export function hintFor(text: string, words: readonly WordHint[], columns: number): string {
  const [name = ''] = /^\s*\S+/.exec(text) ?? [];
  const typed = name.trim();
  if (typed === '') return '';
  const exact = words.find((word) => word.name === typed || word.alias === typed);
  // While the name itself is typed, only what it can no longer be anything else but.
  const found = exact ?? (text === name ? only(words.filter((word) => word.name.startsWith(typed))) : undefined);
  if (found === undefined) return /\s/.test(text.trimStart()) ? `there is no command ${typed}` : '';
  const { usage } = found;
  // What must be typed is more to the point than what may be.
  const shown = usage.length < columns ? usage : usage.replace(/^(\S+)( \[-[^\]]*\])+/, '$1 [options]');
  return shown.length < columns ? shown : `${shown.slice(0, Math.max(1, columns - 2))}…`;
}

function only<T>(list: readonly T[]): T | undefined {
  return list.length === 1 ? list[0] : undefined;
}
