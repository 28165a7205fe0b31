/** Temporary folders that go away when the test process ends, whatever happened. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const made: string[] = [];

/** A new empty folder; in memory (/dev/shm) when `fast` and the host has it. */
export function scratch(fast = false): string {
  const parent = fast && existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
  const dir = mkdtempSync(join(parent, 'fsio-test-'));
  if (made.length === 0) process.on('exit', removeAll);
  made.push(dir);
  return dir;
}

function removeAll(): void {
  for (const dir of made) {
    try {
      rmSync(dir, { recursive: true, force: true });
    } catch {
      // Something is still mounted in it: better left than emptied.
    }
  }
}
