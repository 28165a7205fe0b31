/** The commands there are. A command joins by one line. */
import { fadvise, madvise, mincore } from './advice.ts';
import { chmod, chown, touch, utimes } from './attributes.ts';
import { bmap } from './bmap.ts';
import { browse } from './browse.ts';
import { cd, pwd } from './cd.ts';
import { cmp } from './cmp.ts';
import type { Command, JsonOfAll } from './command.ts';
import { copyRange, dedupe, exchangeRange, sendfile, swapext } from './copy.ts';
import { cp } from './cp.ts';
import { diff } from './diff.ts';
import { addEnckey, enckeyStatus, getEncpolicy, rmEnckey, setEncpolicy } from './encryption.ts';
import { fiemap } from './fiemap.ts';
import { chattr, chproj, cowextsize, extsize, lsattr, lsproj } from './flags.ts';
import { formatCommand, formatCommands } from './format-words.ts';
import { helpCommand } from './help.ts';
import { label } from './label.ts';
import { ls } from './ls.ts';
import { manifest } from './manifest.ts';
import { map } from './map.ts';
import { mmap, mread, mremap, msync, munmap, mwrite } from './mmap.ts';
import { flink, ln, mkdir, mkfifo, mknod, mv, readlink, rm, rmdir, symlink } from './names.ts';
import { close, file, open, print } from './open.ts';
import { commit, discard, undo } from './overlay.ts';
import { pread } from './pread.ts';
import { falloc, fcollapse, finsert, fpunch, funshare, fzero, resvsp, unresvsp, zero } from './prealloc.ts';
import { crc32cselftest, getrusage } from './process.ts';
import { pwrite } from './pwrite.ts';
import { quit } from './quit.ts';
import { readdir } from './readdir.ts';
import { reflink } from './reflink.ts';
import { fsmap, refused } from './refused.ts';
import { logWrites, repair, scrub } from './scrub.ts';
import { seek } from './seek.ts';
import type { Session } from './session.ts';
import { freeze, inject, resblks, shutdown, thaw } from './shutdown.ts';
import { source } from './source.ts';
import { stat, statfs } from './stat.ts';
import { statx } from './statx.ts';
import { md5sum, sha1sum, sha256sum, sum } from './sum.ts';
import { swapfile } from './swapfile.ts';
import { fdatasync, fsync, sync, syncfs, syncRange } from './sync.ts';
import { cat, get, put } from './transfer.ts';
import { tree } from './tree.ts';
import { truncate } from './truncate.ts';
import { attr } from './xattr.ts';

/** The commands that every image has and that give an answer. */
export const ANSWERING = [
  addEnckey,
  attr,
  bmap,
  browse,
  cat,
  cd,
  chattr,
  chmod,
  chown,
  chproj,
  close,
  commit,
  cmp,
  copyRange,
  cp,
  cowextsize,
  crc32cselftest,
  dedupe,
  diff,
  discard,
  enckeyStatus,
  exchangeRange,
  extsize,
  fadvise,
  falloc,
  fcollapse,
  fdatasync,
  fiemap,
  file,
  finsert,
  flink,
  freeze,
  fsmap,
  fpunch,
  fsync,
  funshare,
  fzero,
  get,
  getEncpolicy,
  getrusage,
  helpCommand(listCommands, findCommand),
  inject,
  label,
  ln,
  logWrites,
  ls,
  lsattr,
  lsproj,
  madvise,
  manifest,
  map,
  md5sum,
  mincore,
  mkdir,
  mkfifo,
  mknod,
  mmap,
  mread,
  mremap,
  msync,
  munmap,
  mv,
  mwrite,
  open,
  pread,
  print,
  put,
  pwd,
  pwrite,
  quit,
  readdir,
  readlink,
  reflink,
  repair,
  resblks,
  resvsp,
  rm,
  rmEnckey,
  rmdir,
  scrub,
  seek,
  sendfile,
  setEncpolicy,
  sha1sum,
  sha256sum,
  shutdown,
  source,
  stat,
  statfs,
  statx,
  sum,
  swapext,
  swapfile,
  symlink,
  sync,
  syncfs,
  syncRange,
  thaw,
  touch,
  tree,
  truncate,
  undo,
  unresvsp,
  utimes,
  zero,
] as const satisfies readonly Command[];

/** What programs get of each of ANSWERING, for the schema. */
export type GeneralResults = JsonOfAll<typeof ANSWERING>;

const COMMANDS: readonly Command[] = [...ANSWERING, ...refused].sort((a, b) => (a.name < b.name ? -1 : 1));
const BY_NAME = new Map<string, Command>();
for (const spec of COMMANDS)
  for (const name of [spec.name, spec.alias]) if (name !== undefined && !BY_NAME.has(name)) BY_NAME.set(name, spec);

/** The commands that every image has, by name; xfs_io's expert ones are not among them. */
export function generalCommands(): readonly Command[] {
  return COMMANDS.filter((spec) => spec.expert !== true);
}

/** All commands of a session, by name; those of its image's format among them. */
export function listCommands(session: Session): readonly Command[] {
  const added = formatCommands(session).filter(({ name }) => !COMMANDS.some((known) => known.name === name));
  return [...COMMANDS, ...added].filter((spec) => isKnown(session, spec)).sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The command with this name or short name; `operands` decide where a format has a word of the same name. */
export function findCommand(session: Session, name: string, operands: readonly string[] = []): Command | null {
  const named = BY_NAME.get(name);
  const known = named !== undefined && isKnown(session, named) ? named : null;
  if (known !== null && known.yields !== true) return known;
  const added = formatCommand(session, name, known, operands);
  return added !== null && isKnown(session, added) ? added : known;
}

/** xfs_io's expert commands are there under -x only. */
function isKnown(session: Session, spec: Command): boolean {
  return spec.expert !== true || session.expert;
}
