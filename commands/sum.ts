/** sum, md5sum, sha1sum, sha256sum: checksums of files, a line each as md5sum(1) prints them. */
import { createHash } from 'node:crypto';
import { expect } from '../core/steps.ts';
import { command } from './command.ts';
import { CommandFailure } from './failure.ts';
import type { OpenFile } from './open-file.ts';
import type { Session } from './session.ts';

const CHUNK = 1 << 20;
const ALGORITHMS = ['md5', 'sha1', 'sha256', 'sha512', 'blake2b512'] as const;
type Algorithm = (typeof ALGORITHMS)[number];

interface Sum {
  readonly algorithm: Algorithm;
  /** Hexadecimal. */
  readonly digest: string;
  readonly path: string;
}

function digestOf(session: Session, file: OpenFile, algorithm: Algorithm): string {
  const hash = createHash(algorithm);
  const buffer = session.buffer(CHUNK);
  expect(file.inode.size);
  for (let at = 0; ; ) {
    const bytes = file.read(at, buffer);
    if (bytes === 0) return hash.digest('hex');
    hash.update(buffer.subarray(0, bytes));
    at += bytes;
  }
}

function* sums(session: Session, paths: readonly string[], algorithm: Algorithm): Generator<Sum> {
  if (paths.length === 0) {
    const file = session.file();
    yield { algorithm, digest: digestOf(session, file, algorithm), path: file.name };
  }
  for (const path of paths) {
    const file = session.openSource(path);
    try {
      yield { algorithm, digest: digestOf(session, file, algorithm), path };
    } finally {
      file.close();
    }
  }
}

export const sum = command({
  name: 'sum',
  operands: '[path...]',
  about: 'checksums of files, or of the open file',
  options: { a: { value: 'algorithm', kind: 'text', about: `${ALGORITHMS.join(', ')} (default md5)` } },
  needs: 'image',
  once: true,
  completes: 'path',
  run(session, { options, operands }): Generator<Sum> {
    const algorithm = ALGORITHMS.find((known) => known === (options.a ?? 'md5'));
    if (algorithm === undefined) throw new CommandFailure(`sum: unknown algorithm ${options.a}`, { code: 'EINVAL' });
    return sums(session, operands, algorithm);
  },
  text: ({ digest, path }, out) => out.write(`${digest}  ${path}\n`),
  json: (result) => ({ command: 'sum', ...result }),
});

function named(algorithm: 'md5' | 'sha1' | 'sha256') {
  return command({
    name: `${algorithm}sum`,
    operands: '[path...]',
    about: `${algorithm} checksums of files, or of the open file`,
    plain: true,
    needs: 'image',
    once: true,
    completes: 'path',
    run: (session, { operands }): Generator<Sum> => sums(session, operands, algorithm),
    text: ({ digest, path }, out) => out.write(`${digest}  ${path}\n`),
    json: (result) => ({ command: `${algorithm}sum`, ...result }),
  });
}

export const md5sum = named('md5');
export const sha1sum = named('sha1');
export const sha256sum = named('sha256');
