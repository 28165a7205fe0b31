/** What a command over many files says of those that failed, while the others go on. */
import { FsError } from '../core/errors.ts';
import type { DirEntry, Inode } from '../core/vfs/inode.ts';
import { CommandFailure, explain } from './failure.ts';

/** What went wrong with some of many files: the others are not left out for it. */
export class Complaints {
  private readonly lines: string[] = [];
  private code: FsError['code'] | null = null;

  /** Calls `act`; an FsError is kept with `label`, and answered with null. */
  attempt<T>(label: string, act: () => T): T | null {
    try {
      return act();
    } catch (error) {
      this.add(label, error);
      return null;
    }
  }

  /** Keeps what failed; answers the line about it. @throws error itself if it is no FsError */
  add(label: string, error: unknown): string {
    if (!(error instanceof FsError)) throw error;
    const line = `${label}: ${explain(error)}`;
    this.lines.push(line);
    this.code ??= error.code;
    return line;
  }

  /** Keeps a line of its own words. */
  say(line: string, code: FsError['code']): void {
    this.lines.push(line);
    this.code ??= code;
  }

  /** As raise('stdout'), what could not be opened going to stderr. @throws CommandFailure */
  raiseBeside(unopened: Complaints): void {
    if (this.code === null) unopened.raise();
    else if (unopened.code === null) this.raise('stdout');
    else {
      const complaint = unopened.lines.join('\n');
      throw new CommandFailure(this.lines.join('\n'), { stream: 'stdout', code: this.code, complaint });
    }
  }

  /** @throws CommandFailure with all complaints, if there are any */
  raise(stream: 'stdout' | 'stderr' = 'stderr'): void {
    if (this.code !== null) throw new CommandFailure(this.lines.join('\n'), { stream, code: this.code });
  }
}

/** What a directory holds, in order of names; where it is damaged, what could be read before that. */
export function sortedEntries(dir: Inode, label: string, complaints: Complaints): DirEntry[] {
  const found: DirEntry[] = [];
  complaints.attempt(label, () => {
    for (const entry of dir.entries()) if (entry.name !== '.' && entry.name !== '..') found.push(entry);
  });
  return found.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}
