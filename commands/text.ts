/** Where a command's text goes. Buffers; nothing is lost or reordered between calls. */
export interface TextSink {
  /** Text, written as UTF-8 (file names that are not UTF-8 as the bytes they are). */
  write(text: string): void;
  /** Raw bytes: file contents. */
  bytes(data: Uint8Array): void;
  /** Nobody reads any more: what is written is dropped, and long output may end early. */
  readonly closed: boolean;
}

/** `text` filled with blanks on the right to `width`. */
export const left = (text: string, width: number): string => text.padEnd(width);

/** `text` filled with blanks on the left to `width`. */
export const right = (text: string | number, width: number): string => String(text).padStart(width);
