/** Records as columns: typed arrays side by side, one for each field. */

/** The column with room for twice as many records. */
export function doubled<T extends Float64Array | Uint8Array>(column: T): T {
  const made = new (column.constructor as new (length: number) => T)(column.length * 2);
  made.set(column);
  return made;
}
