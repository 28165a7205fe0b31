/** A device that lies over another and remembers: what changed, and how it was before. */
import type { Device } from './device.ts';

export interface UndoableDevice extends Device {
  /** What lies under the changes; they are not in it. */
  readonly base: Device;
  /** The changed ranges by rising address. */
  changes(): Iterable<{ readonly addr: number; readonly length: number }>;
  /** A mark that rollback() goes back to; all that was written is behind it. */
  snapshot(): number;
  /** Takes back what was written since the mark. Whoever has read since must forget what it read. */
  rollback(to: number): void;
}
