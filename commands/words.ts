/**
 * The words of a command line: splitting it, numbers with suffixes, and options as getopt(3) takes them.
 * Behaves as xfs_io does (libxcmd's breakline and cvtnum, glibc's getopt with its reordering of operands).
 */

/**
 * The words of a line. Blanks separate; a word that begins with a quote reaches to the same quote, so that names
 * with blanks can be given. A quote without its partner is an ordinary character.
 */
export function splitLine(line: string): string[] {
  const words: string[] = [];
  let start = -1;
  for (let i = 0; i < line.length; i++) {
    const code = line.charCodeAt(i);
    // Quotes, and blanks of other kinds and languages, are for the long way.
    if (code < BLANK || code > TILDE || code === DOUBLE_QUOTE || code === SINGLE_QUOTE) return splitQuoted(line);
    if (code !== BLANK) start = start < 0 ? i : start;
    else if (start >= 0) {
      words.push(line.slice(start, i));
      start = -1;
    }
  }
  if (start >= 0) words.push(line.slice(start));
  return words;
}

const BLANK = 0x20;
const TILDE = 0x7e;
const DOUBLE_QUOTE = 0x22;
const SINGLE_QUOTE = 0x27;

function splitQuoted(line: string): string[] {
  const words: string[] = [];
  for (const match of line.matchAll(/"([^"]*)"(?=\s|$)|'([^']*)'(?=\s|$)|\S+/g))
    words.push(match[1] ?? match[2] ?? match[0]);
  return words;
}

/** A word that makes splitLine() give back `name`. */
export function quoteWord(name: string): string {
  if (name !== '' && !/[\s"']/.test(name)) return name;
  return name.includes('"') ? `'${name}'` : `"${name}"`;
}

const SHIFT: Record<string, bigint> = { k: 10n, m: 20n, g: 30n, t: 40n, p: 50n, e: 60n };
const LONG_MAX = 2n ** 63n - 1n;

/** The C library's strtoll(3) with base 0: the value and what follows it. */
function leadingInteger(text: string): { value: bigint; rest: string } | null {
  const match = /^\s*([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)/.exec(text);
  if (match === null) return null;
  const digits = match[2] as string;
  let value = BigInt(/^0[0-7]/.test(digits) ? `0o${digits.slice(1)}` : digits);
  if (value > LONG_MAX) value = LONG_MAX;
  return { value: match[1] === '-' ? -value : value, rest: text.slice(match[0].length) };
}

/**
 * A number as xfs_io reads it: decimal, 0x hexadecimal or 0 octal, with one of the suffixes b (file system blocks),
 * s (sectors), k m g t p e. Wraps at 64 bits as C does. Null when it is no number.
 */
export function parseSize(word: string, blockSize: number, sectorSize: number): bigint | null {
  const number = leadingInteger(word);
  if (number === null) return null;
  if (number.rest === '') return number.value;
  const suffix = number.rest.toLowerCase();
  if (suffix === 'b') return BigInt.asIntN(64, number.value * BigInt(blockSize));
  if (suffix === 's') return BigInt.asIntN(64, number.value * BigInt(sectorSize));
  const shift = SHIFT[suffix];
  return shift === undefined ? null : BigInt.asIntN(64, number.value << shift);
}

/** The number that a word of up to 15 decimal digits is, or -1 for any other word: most words need no big integer. */
export function plainNumber(word: string): number {
  if (word.length === 0 || word.length > 15 || (word.length > 1 && word.charCodeAt(0) === 0x30)) return -1;
  let value = 0;
  for (let i = 0; i < word.length; i++) {
    const digit = word.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}

/** The C library's strtoul(3) with base 0, cut to 32 bits; what follows the digits is ignored. Null without digits. */
export function parseInteger(word: string): number | null {
  const number = leadingInteger(word);
  return number === null ? null : Number(BigInt.asUintN(32, number.value));
}

/** A word that strtol(3) with base 0 takes to its end; null for any other. */
export function wholeInteger(word: string): bigint | null {
  const number = leadingInteger(word);
  return number?.rest === '' ? number.value : null;
}

/** The C library's atoi(3): leading decimal digits, cut to 32 bits as a C int is, else 0. */
export function parseDecimal(word: string): number {
  const digits = /^\s*[+-]?\d+/.exec(word)?.[0].trim().replace('+', '') ?? '0';
  if (digits.length < 10) return Number(digits);
  const value = BigInt(digits);
  return Number(BigInt.asIntN(32, value > LONG_MAX ? LONG_MAX : value < -LONG_MAX ? -LONG_MAX - 1n : value));
}

/** What getopt found: options in the order given, then the operands; or the complaint that ended it. */
export interface Getopt {
  readonly options: readonly (readonly [letter: string, value: string | null])[];
  readonly operands: readonly string[];
  /** As glibc words it, without the program's name: `invalid option -- 'x'`. */
  readonly complaint: string | null;
  /** All of them, where options that there are not do not end it. */
  readonly complaints: readonly string[];
}

/**
 * Options and operands of `words`. `takesValue` answers for a letter, or for a long option's name: true, false, or
 * undefined for no such option.
 * Operands may stand between options; `--` ends the options; a lone `-` is an operand. The first complaint ends it,
 * unless `lenient`.
 */
export function getopt(
  words: readonly string[],
  takesValue: (letter: string) => boolean | undefined,
  lenient = false,
): Getopt {
  const options: [string, string | null][] = [];
  const operands: string[] = [];
  const complaints: string[] = [];
  const ended = (complaint: string): Getopt => ({ options, operands, complaint, complaints });
  for (let i = 0; i < words.length; i++) {
    const word = words[i] as string;
    if (word === '--') {
      operands.push(...words.slice(i + 1));
      break;
    }
    if (word.length < 2 || word[0] !== '-') {
      operands.push(word);
      continue;
    }
    if (word.startsWith('--')) {
      const [name = '', inline] = word.slice(2).split(/=(.*)/s);
      const valued = name.length < 2 ? undefined : takesValue(name);
      if (valued === undefined || (inline !== undefined && !valued)) {
        return ended(`unrecognized option '${word}'`);
      }
      const value = !valued ? null : (inline ?? words[++i]);
      if (value === undefined) return ended(`option '--${name}' requires an argument`);
      options.push([name, value]);
      continue;
    }
    for (let j = 1; j < word.length; j++) {
      const letter = word[j] as string;
      const valued = takesValue(letter);
      if (valued === undefined) {
        const complaint = `invalid option -- '${letter}'`;
        if (!lenient) return ended(complaint);
        complaints.push(complaint);
        continue;
      }
      if (!valued) {
        options.push([letter, null]);
        continue;
      }
      const value = j + 1 < word.length ? word.slice(j + 1) : words[++i];
      if (value === undefined) return ended(`option requires an argument -- '${letter}'`);
      options.push([letter, value]);
      break;
    }
  }
  return { options, operands, complaint: null, complaints };
}
