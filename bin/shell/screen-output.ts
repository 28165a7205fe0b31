/** What commands print, line by line, and when it fills the screen: the part of a pager that knows no terminal. */

/** Output that waits until there is room for it. */
export class ScreenOutput {
  /** Rows that may scroll by before somebody must say `more`; infinite: nobody is asked. */
  private room = Number.POSITIVE_INFINITY;
  private held = '';
  private partial = '';
  private readonly decoder = new TextDecoder();

  /** A command begins on a screen of so many rows. */
  begin(rows: number): void {
    this.room = Math.max(2, rows - 2);
    this.held = '';
    this.partial = '';
  }

  /** Takes output and answers with the part that may be shown now. */
  take(bytes: Uint8Array, columns: number): string {
    this.held += this.decoder.decode(bytes, { stream: true });
    return this.release(columns);
  }

  /** True while output waits for `more`. */
  get full(): boolean {
    return this.room <= 0 && this.held !== '';
  }

  /** Makes room for so many more rows; answers with what may be shown. */
  more(rows: number, columns: number): string {
    this.room = rows;
    return this.release(columns);
  }

  /** The command has ended: an unfinished line is finished. */
  end(): string {
    const rest = this.held + this.partial;
    this.held = '';
    this.partial = '';
    return rest === '' ? '' : `${rest}\n`;
  }

  /** Drops what waits. */
  drop(): void {
    this.held = '';
    this.partial = '';
  }

  private release(columns: number): string {
    if (this.room === Number.POSITIVE_INFINITY) {
      const end = this.held.lastIndexOf('\n') + 1;
      const text = this.held.slice(0, end);
      this.held = this.held.slice(end);
      return text;
    }
    let at = 0;
    while (this.room > 0) {
      const end = this.held.indexOf('\n', at);
      if (end < 0) break;
      this.room -= Math.max(1, Math.ceil((end - at) / columns));
      at = end + 1;
    }
    const text = this.held.slice(0, at);
    this.held = this.held.slice(at);
    return text;
  }
}
