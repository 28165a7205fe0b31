/**
 * Words about fscrypt (xfs_io's io/encrypt.c). Of the formats only ext4 has it, and there only what a policy says is
 * told: nobody here has keys. What the other words are asked is checked, and then refused as the kernel refuses it.
 */
import { type Errno, FsError, strerror } from '../core/errors.ts';
import type { EncryptionPolicy, Inode } from '../core/vfs/inode.ts';
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

/** What get_encpolicy found: only whether there are policies at all, or the one of the open file. */
export type EncpolicyResult =
  | { readonly policy: 'supported' | 'unsupported' }
  | {
      readonly file: string;
      readonly version: number;
      /** The descriptor or identifier of the master key, hexadecimal. */
      readonly key: string;
      readonly contentsMode: number;
      readonly namesMode: number;
      readonly flags: number;
    };

export const getEncpolicy = command({
  name: 'get_encpolicy',
  mildUsage: true,
  settling: 't',
  about: 'the encryption policy of the open file',
  options: { 1: { about: 'by the first version of the call' }, t: { about: 'is it supported?' } },
  run(session, { options, operands }): EncpolicyResult {
    const file = session.file();
    const { name, named: inode } = file;
    if (options.t) return { policy: supportsPolicies(name, inode) ? 'supported' : 'unsupported' };
    if (operands.length > 0) throw usage(getEncpolicy);
    if (file.unusable) throw cannotGet(name, 'EBADF');
    const policy = policyOf(name, inode);
    // The first version of the call knows no other.
    if (options[1] && policy.version !== 1) throw cannotGet(name, 'EINVAL');
    const { version, key, ...rest } = policy;
    return { file: name, version: version === 1 ? 0 : version, key: Buffer.from(key).toString('hex'), ...rest };
  },
  text(result, out) {
    if ('policy' in result) {
      out.write(`${result.policy}\n`);
      return;
    }
    const { file, version, key, contentsMode, namesMode, flags } = result;
    out.write(
      `Encryption policy for ${file}:\n\tPolicy version: ${version}\n` +
        `\tMaster key ${version === 2 ? 'identifier' : 'descriptor'}: ${key}\n` +
        `\tContents encryption mode: ${modeText(contentsMode)}\n\tFilenames encryption mode: ${modeText(namesMode)}\n` +
        `\tFlags: 0x${flags.toString(16).padStart(2, '0')}\n`,
    );
  },
});

function cannotGet(name: string, code: Errno): CommandFailure {
  return new CommandFailure(`${name}: failed to get encryption policy: ${strerror(code)}`, { code });
}

function policyOf(name: string, inode: Inode): EncryptionPolicy {
  if (inode.encryptionPolicy === undefined) throw cannotGet(name, 'ENOTTY');
  try {
    const policy = inode.encryptionPolicy();
    if (policy !== null) return policy;
  } catch (error) {
    throw error instanceof FsError ? cannotGet(name, error.code) : error;
  }
  throw cannotGet(name, 'ENODATA');
}

function supportsPolicies(name: string, inode: Inode): boolean {
  try {
    inode.encryptionPolicy?.();
    return inode.encryptionPolicy !== undefined;
  } catch (error) {
    if (!(error instanceof FsError)) throw error;
    const what = 'unexpected error checking for FS_IOC_GET_ENCRYPTION_POLICY_EX support';
    throw new CommandFailure(`${name}: ${what}: ${strerror(error.code)}`, { code: error.code });
  }
}

/** Names of the modes, by their numbers. */
const MODE_NAMES: Readonly<Record<number, string>> = {
  1: 'AES-256-XTS',
  4: 'AES-256-CTS',
  5: 'AES-128-CBC',
  6: 'AES-128-CTS',
  9: 'Adiantum',
};

function modeText(mode: number): string {
  const name = MODE_NAMES[mode];
  return name === undefined ? String(mode) : `${mode} (${name})`;
}

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
