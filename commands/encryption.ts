/**
 * Words about fscrypt (xfs_io's io/encrypt.c). Neither XFS nor btrfs has it: what they are asked is checked, and then
 * refused as the kernel refuses it.
 */
import { strerror } from '../core/errors.ts';
import { command, usage } from './command.ts';
import { CommandFailure } from './failure.ts';
import { wholeInteger } from './words.ts';

const MODES: readonly string[] = ['AES-256-XTS', 'AES-256-CTS', 'AES-128-CBC', 'AES-128-CTS', 'Adiantum'];
/** Hexadecimal digits of the key descriptor of a policy of version 1, and of the key identifier of version 2. */
const Digits = { descriptor: 16, identifier: 32 } as const;
const MOST_KEY_ID = 2n ** 31n - 1n;

const isByte = (word: string): boolean => {
  const value = wholeInteger(word);
  return value !== null && value >= 0n && value <= 255n;
};

function refusal(text: string): CommandFailure {
  return new CommandFailure(`${text}: ${strerror('ENOTTY')}`, { code: 'ENOTTY' });
}

const wrong = (what: string, word: string, silent = false) =>
  new CommandFailure(`invalid ${what}: ${word}`, { code: 'EINVAL', silent });

/** Is it a key of the kind that the policy's version asks for? Without a version, of either. @throws CommandFailure */
function checkKey(word: string, version?: number): void {
  const kind =
    version === undefined ? (word.length === Digits.identifier ? 'identifier' : 'descriptor') : kindOf(version);
  if (version === undefined && word.length !== Digits[kind]) throw wrong('key specifier', word);
  if (word.length !== Digits[kind] || !/^[0-9a-f]*$/i.test(word)) throw wrong(`key ${kind}`, word);
}

const kindOf = (version: number): keyof typeof Digits => (version === 2 ? 'identifier' : 'descriptor');

export const getEncpolicy = command({
  name: 'get_encpolicy',
  mildUsage: true,
  operands: '[-1] [-t]',
  about: 'the encryption policy of the open file: there is none',
  options: { 1: { about: 'by the first version of the call' }, t: { about: 'is it supported?' } },
  run(session, { options, operands }): { policy: 'unsupported' } {
    if (options.t) return { policy: 'unsupported' };
    if (operands.length > 0) throw usage(getEncpolicy);
    throw refusal(`${session.file().name}: failed to get encryption policy`);
  },
  text: ({ policy }, out) => out.write(`${policy}\n`),
});

export const setEncpolicy = command({
  name: 'set_encpolicy',
  operands: '[keyspec]',
  about: 'encrypt a directory: refused, images have no encryption',
  options: {
    c: { value: 'mode', kind: 'text', about: 'how contents would be encrypted' },
    f: { value: 'flags', kind: 'text', about: "the policy's flags" },
    n: { value: 'mode', kind: 'text', about: 'how names would be encrypted' },
    v: { value: 'version', kind: 'text', about: "the policy's version" },
  },
  run(session, { options, operands }): undefined {
    const { c, n, f, v } = options;
    const isMode = (word: string) => MODES.includes(word) || isByte(word);
    if (c !== undefined && !isMode(c)) throw wrong('contents encryption mode', c);
    if (n !== undefined && !isMode(n)) throw wrong('filenames encryption mode', n);
    if (f !== undefined && !isByte(f)) throw wrong('flags', f);
    if (v !== undefined && !isByte(v)) throw wrong('policy version', v);
    if (operands.length > 1) throw usage(setEncpolicy);
    const [key] = operands;
    if (key !== undefined) checkKey(key, v === undefined ? undefined : Number(v));
    throw refusal(`${session.file().name}: failed to set encryption policy`);
  },
});

export const addEnckey = command({
  name: 'add_enckey',
  about: 'add an encryption key: refused, images have none',
  options: {
    d: { value: 'descriptor', kind: 'text', about: 'of a policy of version 1' },
    k: { value: 'key_id', kind: 'text', about: 'the key is in the keyring' },
  },
  run(_session, { options: { d, k }, operands }): undefined {
    // What it takes for no key it says, and exits 0.
    if (d !== undefined && (d.length !== Digits.descriptor || !/^[0-9a-f]*$/i.test(d)))
      throw wrong('key descriptor', d, true);
    const id = k === undefined ? 1n : (wholeInteger(k) ?? 0n);
    if (id <= 0n || id > MOST_KEY_ID) throw wrong('key ID', k ?? '', true);
    if (operands.length > 0) throw usage(addEnckey);
    throw refusal('Error adding encryption key');
  },
});

export const rmEnckey = command({
  name: 'rm_enckey',
  operands: 'keyspec',
  about: 'remove an encryption key: refused, images have none',
  options: { a: { about: 'for all users' } },
  run(_session, { operands }): undefined {
    if (operands.length !== 1) throw usage(rmEnckey);
    checkKey(operands[0] as string);
    throw refusal('Error removing encryption key');
  },
});

export const enckeyStatus = command({
  name: 'enckey_status',
  count: [1, 1],
  operands: 'keyspec',
  about: 'the state of an encryption key: refused, images have none',
  plain: true,
  run(_session, { operands }): undefined {
    checkKey(operands[0] as string);
    throw refusal('Error getting encryption key status');
  },
});
