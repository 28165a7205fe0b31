/**
 * Words about fscrypt (xfs_io's io/encrypt.c). Neither XFS nor btrfs has it: what they are asked is checked, and then
 * refused as the kernel refuses it.
 */
import { strerror } from '../core/errors.ts';
import { command, usage } from './command.ts';
import { CommandFailure } from './failure.ts';
import type { Session } from './session.ts';
import { wholeInteger } from './words.ts';

const MODES: readonly string[] = ['AES-256-XTS', 'AES-256-CTS', 'AES-128-CBC', 'AES-128-CTS', 'Adiantum'];
/** Hexadecimal digits of the key descriptor of a policy of version 1, and of the key identifier of version 2. */
const Digits = { descriptor: 16, identifier: 32 } as const;
const MOST_KEY_ID = 2n ** 31n - 1n;

const isByte = (word: string): boolean => {
  const value = wholeInteger(word);
  return value !== null && value >= 0n && value <= 255n;
};

function refusal(session: Session, text: string): CommandFailure {
  const code = session.file().unusable ? 'EBADF' : 'ENOTTY';
  return new CommandFailure(`${text}: ${strerror(code)}`, { code });
}

const wrong = (what: string, word: string, silent = false) =>
  new CommandFailure(`invalid ${what}: ${word}`, { code: 'EINVAL', silent });

const isMode = (word: string): boolean => MODES.includes(word) || isByte(word);
const isDescriptor = (word: string): boolean => word.length === Digits.descriptor && /^[0-9a-f]*$/i.test(word);
const isKeyId = (word: string): boolean => {
  const id = wholeInteger(word) ?? 0n;
  return id > 0n && id <= MOST_KEY_ID;
};

/** An option whose value is looked at where it stands. */
function checked(value: string, what: string, good: (word: string) => boolean, silent = false) {
  const refuse = (word: string) => (good(word) ? null : wrong(what, word, silent));
  return { value, kind: 'text', refuse } as const;
}

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
  settling: 't',
  about: 'the encryption policy of the open file: there is none',
  options: { 1: { about: 'by the first version of the call' }, t: { about: 'is it supported?' } },
  run(session, { options, operands }): { policy: 'unsupported' } {
    if (options.t) return { policy: 'unsupported' };
    if (operands.length > 0) throw usage(getEncpolicy);
    throw refusal(session, `${session.file().name}: failed to get encryption policy`);
  },
  text: ({ policy }, out) => out.write(`${policy}\n`),
});

export const setEncpolicy = command({
  name: 'set_encpolicy',
  operands: '[keyspec]',
  about: 'encrypt a directory: refused, images have no encryption',
  options: {
    c: { ...checked('mode', 'contents encryption mode', isMode), about: 'how contents would be encrypted' },
    f: { ...checked('flags', 'flags', isByte), about: "the policy's flags" },
    n: { ...checked('mode', 'filenames encryption mode', isMode), about: 'how names would be encrypted' },
    v: { ...checked('version', 'policy version', isByte), about: "the policy's version" },
  },
  run(session, { options: { v }, operands }): undefined {
    if (operands.length > 1) throw usage(setEncpolicy);
    const [key] = operands;
    if (key !== undefined) checkKey(key, v === undefined ? undefined : Number(v));
    throw refusal(session, `${session.file().name}: failed to set encryption policy`);
  },
});

export const addEnckey = command({
  name: 'add_enckey',
  about: 'add an encryption key: refused, images have none',
  options: {
    // What it takes for no key it says, and exits 0.
    d: { ...checked('descriptor', 'key descriptor', isDescriptor, true), about: 'of a policy of version 1' },
    k: { ...checked('key_id', 'key ID', isKeyId, true), about: 'the key is in the keyring' },
  },
  run(session, { operands }): undefined {
    if (operands.length > 0) throw usage(addEnckey);
    throw refusal(session, 'Error adding encryption key');
  },
});

export const rmEnckey = command({
  name: 'rm_enckey',
  operands: 'keyspec',
  about: 'remove an encryption key: refused, images have none',
  options: { a: { about: 'for all users' } },
  run(session, { operands }): undefined {
    if (operands.length !== 1) throw usage(rmEnckey);
    checkKey(operands[0] as string);
    throw refusal(session, 'Error removing encryption key');
  },
});

export const enckeyStatus = command({
  name: 'enckey_status',
  count: [1, 1],
  operands: 'keyspec',
  about: 'the state of an encryption key: refused, images have none',
  plain: true,
  run(session, { operands }): undefined {
    checkKey(operands[0] as string);
    throw refusal(session, 'Error getting encryption key status');
  },
});
