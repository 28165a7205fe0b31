/** What makes a dinode believable (kernel: gfs2_dinode_in). */
import type { Buf } from '../../core/buffer-cache.ts';
import type { Damage } from '../../core/errors.ts';
import { isKnownMode } from '../../core/vfs/file-kind.ts';
import { S_IFMT } from '../../core/vfs/mode.ts';
import { DINODE_SIZE, Dinode, DinodeFlag, MAX_HEIGHT } from './structure/dinode.ts';
import { MAX_DEPTH } from './structure/dir.ts';

const S_IFDIR = 0o040000;
const NANOSECONDS = 1_000_000_000;

/** The first rule that a dinode breaks, or null. */
export function dinodeDamage({ view, addr, length }: Buf): Damage | null {
  const { get } = Dinode;
  const own = addr / length;
  const bad = (field: keyof typeof Dinode.at, value: number | string, rule: string): Damage => {
    return { structure: `inode ${own}`, addr, offset: Dinode.at[field], field, value: String(value), rule };
  };
  const at = get.no_addr(view, 0);
  if (at !== own) return bad('no_addr', at, `lies in block ${own}`);
  const mode = get.di_mode(view, 0);
  if (mode > 0xffff || !isKnownMode(mode)) return bad('di_mode', `0${mode.toString(8)}`, 'no kind of file');
  const size = get.di_size(view, 0);
  if (size >= 1n << 63n) return bad('di_size', size.toString(), 'negative');
  const height = get.di_height(view, 0);
  if (height > MAX_HEIGHT) return bad('di_height', height, `> ${MAX_HEIGHT}`);
  if (height === 0 && size > length - DINODE_SIZE) return bad('di_size', size.toString(), 'more than the block holds');
  const depth = get.di_depth(view, 0);
  if (depth > MAX_DEPTH) return bad('di_depth', depth, `> ${MAX_DEPTH}`);
  for (const field of ['di_atime_nsec', 'di_mtime_nsec', 'di_ctime_nsec'] as const)
    if (get[field](view, 0) >= NANOSECONDS) return bad(field, get[field](view, 0), 'a second or more');
  if ((mode & S_IFMT) !== S_IFDIR) return null;
  const hashed = (get.di_flags(view, 0) & DinodeFlag.EXHASH) !== 0;
  if (hashed && size !== 8n << BigInt(depth)) return bad('di_size', size.toString(), `no table of ${depth} bits`);
  if (!hashed && height !== 0)
    return bad('di_height', height, 'names of a directory without a table lie in the dinode');
  return null;
}
