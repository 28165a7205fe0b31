/**
 * What a file may hold after a crash. Everything fsynced must be there; what came after it may be there or not, byte
 * by byte (data writes of one command are not atomic, in Linux neither). Bytes that no later command touched must be
 * the fsynced ones exactly.
 */

/** The life of one file: its contents after every command since it was last made durable, that one first. */
export class FileLife {
  /** Index 0 is durable; null: the file did not exist. */
  #versions: (Uint8Array | null)[];

  constructor(durable: Uint8Array | null) {
    this.#versions = [durable];
  }

  /** The newest contents. */
  get now(): Uint8Array | null {
    return this.#versions.at(-1) ?? null;
  }

  /** A command made these the contents. */
  change(contents: Uint8Array): void {
    this.#versions.push(contents);
  }

  /** All is durable from here on. */
  settle(): void {
    this.#versions = [this.now];
  }

  /** A copy that later changes do not reach. */
  copy(): FileLife {
    const life = new FileLife(null);
    life.#versions = [...this.#versions];
    return life;
  }

  /** Why `found` (null: no such file) cannot be what a crash left, or null. */
  fault(found: Uint8Array | null): string | null {
    if (found === null) {
      return this.#versions.includes(null) ? null : 'the file is gone, though it was made durable';
    }
    const versions = this.#versions.filter((version) => version !== null);
    if (versions.length === 0) return 'the file exists, though nobody made it';
    const sizes = versions.map((version) => version.length);
    const least = this.#versions[0] === null ? 0 : Math.min(...sizes);
    if (found.length < least || found.length > Math.max(...sizes)) {
      return `${found.length} bytes long, expected ${least} to ${Math.max(...sizes)}`;
    }
    return this.#badByte(found, versions);
  }

  #badByte(found: Uint8Array, versions: readonly Uint8Array[]): string | null {
    const durable = this.#versions[0] ?? new Uint8Array(0);
    for (let at = 0; at < found.length; at++) {
      const byte = found[at];
      if (at < durable.length && byte === durable[at]) continue;
      // Beyond the durable end a byte reads as zero until its data is there.
      if (at >= durable.length && byte === 0) continue;
      if (versions.some((version) => at < version.length && version[at] === byte)) continue;
      if (versions.some((version) => at >= version.length) && byte === 0) continue;
      return `byte ${at} is 0x${byte?.toString(16)}, which it never was since it was last made durable`;
    }
    return null;
  }
}
