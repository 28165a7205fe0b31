/** What the engine's thread and the connection's thread share. */
import type { NbdAddress } from './url.ts';

/** Words of the control buffer, and the values of STATE. */
export const Control = {
  STATE: 0,
  /** Bytes of writes that the server does not have yet. */
  QUEUED: 1,
  /** A write failed. */
  BROKEN: 2,
  /** Length of the answer in the text buffer. */
  TEXT: 3,
  WORDS: 4,

  WAITING: 0,
  DONE: 1,
  FAILED: 2,
} as const;

export interface Shared {
  readonly address: NbdAddress;
  readonly control: SharedArrayBuffer;
  /** Where what is read is put. */
  readonly window: SharedArrayBuffer;
  /** The answer to a call, as JSON. */
  readonly text: SharedArrayBuffer;
}

export type Request =
  | { readonly kind: 'read'; readonly addr: number; readonly length: number }
  | { readonly kind: 'write'; readonly addr: number; readonly bytes: Uint8Array }
  | { readonly kind: 'flush' }
  | { readonly kind: 'close' };
