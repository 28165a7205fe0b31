/**
 * What long work tells while it runs, and where it may be ended. Work calls these between two steps, where everything
 * is consistent; whoever watches may throw there (EINTR). Nobody watching costs one comparison.
 */
export interface StepWatcher {
  /** The command now running is going to move so many bytes. */
  expect(bytes: number): void;
  /** It moved so many more. @throws FsError EINTR */
  advance(bytes: number): void;
  /** A part of it, told in a unit of its own, has come so far. @throws FsError EINTR */
  step(done: number, total: number): void;
}

let watcher: StepWatcher | null = null;

/** From now on `next` is told; null: nobody. */
export function watchSteps(next: StepWatcher | null): void {
  watcher = next;
}

export function expect(bytes: number): void {
  watcher?.expect(bytes);
}

export function advance(bytes: number): void {
  watcher?.advance(bytes);
}

export function step(done: number, total: number): void {
  watcher?.step(done, total);
}
