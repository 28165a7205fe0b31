/** Ways to be seen that need no colour. */

// By hand: the cursor is no colour, and must be seen where there are none.
export const inverse = (text: string): string => `\u001b[7m${text}\u001b[27m`;
