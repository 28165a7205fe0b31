/**
 * chmod's modes, octal (0644) and symbolic (u+rwX,go-w,o=), as POSIX and coreutils read them: without a u, g, o or a
 * the umask limits what changes, and a directory keeps its set-id bits unless they are named.
 */

/** The mode that a file of mode `old` gets. */
export type ModeChange = (old: number, isDir: boolean, umask: number) => number;

const ALL = 0o7777;
const RWX = 0o777;
const SET_ID = 0o6000;
const EXECUTE = 0o111;
const WHO: Readonly<Record<string, number>> = { u: 0o4700, g: 0o2070, o: 0o1007, a: ALL };
const PERMISSION: Readonly<Record<string, number>> = { r: 0o444, w: 0o222, x: EXECUTE, s: SET_ID, t: 0o1000 };
const OF: Readonly<Record<string, number>> = { u: 0o700, g: 0o070, o: 0o007 };

/** What one operator does. */
interface Step {
  readonly operator: string;
  /** The bits of whom it is about; 0: of all, within the umask. */
  readonly who: number;
  readonly bits: number;
  /** X: execution for directories and what somebody may execute already. */
  readonly conditional: boolean;
  /** Bits of this class are given to the others: the g of o=g. */
  readonly copied: number;
}

/** The change that a word describes; null if it is no mode. */
export function parseMode(word: string): ModeChange | null {
  if (/^[0-7]+$/.test(word)) return octal(word);
  const steps: Step[] = [];
  for (const clause of word.split(',')) {
    const match = /^([ugoa]*)((?:[+=-](?:[rwxXst]*|[ugo]))+)$/.exec(clause);
    if (match === null) return null;
    const who = [...(match[1] as string)].reduce((bits, letter) => bits | (WHO[letter] as number), 0);
    for (const [, operator = '', letters = ''] of (match[2] as string).matchAll(/([+=-])([^+=-]*)/g))
      steps.push(stepOf(operator, who, letters));
  }
  return (old, isDir, umask) => steps.reduce((mode, step) => apply(step, mode, isDir, umask), old & ALL);
}

function octal(word: string): ModeChange | null {
  const value = Number.parseInt(word, 8);
  if (value > ALL) return null;
  // Five digits say that the set-id bits are meant too.
  return (old, isDir) => (isDir && word.length < 5 ? value | (old & SET_ID) : value);
}

function stepOf(operator: string, who: number, letters: string): Step {
  const copied = OF[letters] ?? 0;
  let bits = 0;
  if (copied === 0) for (const letter of letters) bits |= PERMISSION[letter] ?? 0;
  return { operator, who, bits, conditional: letters.includes('X'), copied };
}

function apply(
  { operator, who, bits, conditional, copied }: Step,
  mode: number,
  isDir: boolean,
  umask: number,
): number {
  let value = bits;
  if (conditional && (isDir || (mode & EXECUTE) !== 0)) value |= EXECUTE;
  if (copied !== 0) value |= spread(mode & copied);
  const kept = isDir ? SET_ID & ~((who || ALL) & bits) : 0;
  value &= (who === 0 ? ~umask : who) & ~kept;
  if (operator === '+') return mode | value;
  if (operator === '-') return mode & ~value;
  return (mode & ((who === 0 ? 0 : ~who) | kept)) | value;
}

/** The permissions of one class, for all of them. */
function spread(bits: number): number {
  const one = (bits | (bits >> 3) | (bits >> 6)) & 0o7;
  return (one | (one << 3) | (one << 6)) & RWX;
}
