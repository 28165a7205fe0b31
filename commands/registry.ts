/** The commands there are. A command joins by one line. */
import { bmap } from './bmap.ts';
import { cd, pwd } from './cd.ts';
import type { Command } from './command.ts';
import { fiemap } from './fiemap.ts';
import { helpCommand } from './help.ts';
import { ls } from './ls.ts';
import { manifest } from './manifest.ts';
import { close, file, open, print } from './open.ts';
import { pread } from './pread.ts';
import { pwrite } from './pwrite.ts';
import { quit } from './quit.ts';
import { reflink } from './reflink.ts';
import { seek } from './seek.ts';
import type { Session } from './session.ts';
import { stat, statfs } from './stat.ts';
import { fdatasync, fsync, sync, syncfs } from './sync.ts';
import { cat, get, put } from './transfer.ts';
import { truncate } from './truncate.ts';

const COMMANDS: readonly Command[] = [
  bmap,
  cat,
  cd,
  close,
  fdatasync,
  fiemap,
  file,
  fsync,
  get,
  helpCommand(listCommands, findCommand),
  ls,
  manifest,
  open,
  pread,
  print,
  put,
  pwd,
  pwrite,
  quit,
  reflink,
  seek,
  stat,
  statfs,
  sync,
  syncfs,
  truncate,
];

/** All commands of a session, by name. */
export function listCommands(_session: Session): readonly Command[] {
  return COMMANDS;
}

/** The command with this name or short name. */
export function findCommand(_session: Session, name: string): Command | null {
  return COMMANDS.find((spec) => spec.name === name || spec.alias === name) ?? null;
}
