/** A broken rule inside a tree block: what and where, the block itself being known to the caller. */
export interface Fault {
  readonly rule: string;
  readonly field?: string;
  readonly value?: string;
  readonly offset?: number;
}

/** The size of an item that must have just this one. */
export function sizeFault(size: number, right: number): Fault | null {
  return size === right ? null : { field: 'item size', value: String(size), rule: `not ${right}` };
}

/** The size of an item that may be longer. */
export function leastFault(size: number, least: number): Fault | null {
  return size >= least ? null : { field: 'item size', value: String(size), rule: `< ${least}` };
}

/** A field with a value that breaks a rule, `offset` bytes into the item. */
export function fieldFault(field: string, offset: number, value: number | string, rule: string): Fault {
  return { field, offset, value: String(value), rule };
}

/** True if an address or length is a multiple of the sector size. Negative numbers stand for the top of the u64 range. */
export function aligned(value: number, step: number): boolean {
  return value % step === 0;
}
