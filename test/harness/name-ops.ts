/** Random name operations: few names, so that they meet; some long, so that directories outgrow their inodes. */
import type { NameOp } from './kernel-names.ts';
import type { Random } from './random.ts';

const XATTRS = [
  'user.a',
  'user.bb',
  `user.${'long'.repeat(40)}`,
  'trusted.t',
  'security.s',
  'user.c',
  'user.d',
  'user.e',
];

/** The names that operations are about. */
export class Names {
  private readonly random: Random;

  constructor(random: Random) {
    this.random = random;
  }

  name(): string {
    const { random } = this;
    const stem = `n${random.below(random.oneIn(3) ? 60 : 12)}`;
    return stem.endsWith('7') ? stem.padEnd(200, 'long-name-') : stem;
  }

  path(): string {
    const { random } = this;
    const parts = [this.name()];
    for (let depth = random.below(3); depth > 0; depth--) parts.unshift(`d${random.below(4)}`);
    if (random.oneIn(5)) parts[parts.length - 1] = `d${random.below(4)}`;
    return parts.join('/');
  }

  dir(): string {
    const { random } = this;
    const parts: string[] = [];
    for (let depth = random.below(3); depth > 0; depth--) parts.push(`d${random.below(4)}`);
    return parts.join('/');
  }
}

/** One operation on random names. */
export function randomOp(random: Random, names: Names): NameOp {
  const path = names.path();
  const roll = random.below(100);
  if (roll < 22) return ['create', path, random.pick([0o644, 0o600, 0o4755, 0o2777])];
  if (roll < 30) return ['mkdir', path, random.pick([0o755, 0o2775, 0o1777])];
  if (roll < 40) return ['unlink', path];
  if (roll < 45) return ['rmdir', path];
  if (roll < 57) return ['rename', path, names.path()];
  if (roll < 60) return ['noreplace', path, names.path()];
  if (roll < 65) return ['exchange', path, names.path()];
  if (roll < 71) return ['link', path, names.path()];
  if (roll < 76)
    return [
      'symlink',
      random.pick(['d0', 'd1/n1', 'd1/./../n2', 'target/'.repeat(5), 'target/'.repeat(40), 'target/'.repeat(100)]),
      path,
    ];
  if (roll < 79)
    return [
      'mknod',
      path,
      random.pick(['fifo', 'socket', 'char', 'block']),
      0o640,
      random.below(500),
      random.below(70000),
    ];
  if (roll < 81) return ['tmpfile', names.dir(), random.oneIn(2) ? '' : names.path()];
  if (roll < 84) return ['write', path, random.between(1, 300_000)];
  if (roll < 86) return ['chmod', path, random.below(0o10000)];
  if (roll < 87) return ['chown', path, random.below(1000), random.below(1000)];
  if (roll < 89) return ['utimes', path, random.below(1_000_000_000), random.below(1_000_000_000)];
  if (roll < 97) {
    const size = random.pick([0, 1, 30, 200, 260, 1500, 3500, 5000, 20_000, 65_536]);
    return ['setxattr', path, random.pick(XATTRS), size, random.pick([0, 0, 0, 1, 2])];
  }
  return ['removexattr', path, random.pick(XATTRS)];
}
