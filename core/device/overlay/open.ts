/** Laying an overlay over a device: in a file, or in memory. */
import type { Device } from '../device.ts';
import { OverlayDevice } from '../overlay.ts';
import type { UndoableDevice } from '../undoable.ts';
import { OverlayFile } from './file.ts';

/** A layer whose changes outlive the run, and can be put into what lies under it. */
export interface LastingLayer extends UndoableDevice {
  /** What the user must know about the file; null for nothing. */
  readonly note: string | null;
  /** Writes the changes to what lies under them; returns how many bytes. @throws FsError */
  commit(): number;
  /** Forgets the changes; returns how many bytes. @throws FsError */
  discard(): number;
}

/** Changes go to a file. @throws FsError ESTALE, EUCLEAN, EBUSY, … */
export function openOverlayFile(
  base: Device,
  path: string,
  options: { readOnly?: boolean; neighbour?: (base: Device) => Device },
): LastingLayer {
  return new OverlayFile(base, path, options);
}

/** Changes stay in memory. */
export function openOverlay(base: Device, neighbour: (base: Device) => Device): UndoableDevice {
  return new OverlayDevice(base, neighbour);
}
