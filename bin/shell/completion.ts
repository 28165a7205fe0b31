/** The line after tab. */
import type { Completion } from './engine-client.ts';
import { type Line, replaceBefore } from './line-editor.ts';

/** The only candidate and a blank, or what all candidates begin with. */
export function completed(line: Line, { start, candidates }: Completion): Line {
  const [only] = candidates;
  if (only === undefined) return line;
  if (candidates.length === 1) return replaceBefore(line, start, only.endsWith('/') ? only : `${only} `);
  let common = only;
  for (const candidate of candidates) while (!candidate.startsWith(common)) common = common.slice(0, -1);
  return common.length > line.cursor - start ? replaceBefore(line, start, common) : line;
}

/** The last part of a path: what a list of choices shows. */
export const lastName = (path: string): string => /[^/]*\/?$/.exec(path)?.[0] ?? path;
