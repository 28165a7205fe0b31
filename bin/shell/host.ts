/** What the prompt asks of the program around it. The shell is a bundle of its own and imports no engine. */
export interface ShellHost {
  /** What stands before the line. */
  prompt(): string;
  /** Runs a line; its output goes straight to the terminal. False when the session is over. */
  run(line: string): boolean;
  /** How the end of `line` could go on. */
  complete(line: string): { readonly start: number; readonly candidates: readonly string[] };
}
