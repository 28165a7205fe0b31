/** What the shell's two threads say to each other: the one with the keys and the screen, and the one with the engine. */

import type { View } from '../../commands/view.ts';

export type ToEngine =
  | { readonly kind: 'run'; readonly line: string; readonly columns: number }
  | { readonly kind: 'complete'; readonly id: number; readonly line: string }
  | { readonly kind: 'list'; readonly id: number; readonly path: string }
  | { readonly kind: 'end' };

/** A directory as it is browsed; what is wrong with it otherwise. */
export type Listing = { readonly entries: readonly ListedEntry[] } | { readonly error: string };

export interface ListedEntry {
  readonly name: string;
  readonly type: string;
  readonly size: number;
  /** Further facts, a line each. */
  readonly facts: readonly string[];
}

/** A word as hints show it. */
export interface WordHint {
  readonly name: string;
  readonly alias: string | null;
  /** `pwrite [-BFqw] [-b bs] off len -- writes …` */
  readonly usage: string;
}

/** A screen that a command asked for; the engine waits until it is left. */
export type FromEngine =
  | {
      readonly kind: 'ready';
      readonly prompt: string;
      readonly words: readonly WordHint[] | null;
      readonly ended: boolean;
    }
  | { readonly kind: 'output'; readonly bytes: Uint8Array; readonly error: boolean }
  | { readonly kind: 'completion'; readonly id: number; readonly start: number; readonly candidates: readonly string[] }
  | { readonly kind: 'view'; readonly view: View }
  | { readonly kind: 'listing'; readonly id: number; readonly listing: Listing }
  | { readonly kind: 'exit'; readonly status: number };

/** 32-bit words that both see without a message. */
export const Flag = {
  /** The command is asked to end. */
  STOP: 0,
  /** Bytes of output that are not shown yet. */
  PENDING: 1,
  /** What goes on is measured in bytes (1) or in parts of unknown size (0). */
  BYTES: 2,
  WORDS: 4,
} as const;

/** 64-bit floats behind them: how far the command is, and how far it will go (0: nobody knows). */
export const Measure = { DONE: 0, TOTAL: 1, COUNT: 2 } as const;

export interface SharedState {
  readonly flags: SharedArrayBuffer;
  readonly measures: SharedArrayBuffer;
}
