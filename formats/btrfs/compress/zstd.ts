/**
 * Zstandard, from a kept library (WebAssembly), loaded on first use and without waiting: what reads and writes files
 * here is synchronous. Its memory is used through two buffers of its own, one for each direction.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { keptLibrary } from '../../../core/kept-library.ts';
import { BrokenStream } from './lzo1x.ts';

/** The part of the library's compiled module that is used here. Addresses and sizes are bytes of its memory. */
interface ZstdModule {
  HEAPU8: Uint8Array;
  instantiateWasm: (imports: object, receive: (instance: object) => unknown) => unknown;
  init(wasm: Uint8Array): void;
  _malloc(size: number): number;
  _ZSTD_compressBound(size: number): number;
  _ZSTD_compress(into: number, room: number, from: number, length: number, level: number): number;
  _ZSTD_decompress(into: number, room: number, from: number, length: number): number;
  _ZSTD_isError(code: number): number;
}

/** What Node has of WebAssembly without waiting; its types come with a browser's, which are not wanted here. */
interface SynchronousWasm {
  readonly Module: new (code: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => object;
}

/** No compressed extent of btrfs is larger, compressed or not. */
const MAX_EXTENT = 128 * 1024;

interface Zstd {
  readonly module: ZstdModule;
  /** Room for what an extent can become at worst. */
  readonly room: number;
  readonly from: number;
  readonly into: number;
}
let loaded: Zstd | undefined;

function load(): Zstd {
  const require = createRequire(import.meta.url);
  const folder = keptLibrary('@bokuweb/zstd-wasm', () => dirname(require.resolve('@bokuweb/zstd-wasm')));
  // Its own init() waits for the compiler; the module underneath takes an instance that is ready.
  const { Module: module } = require(join(folder, 'module.js')) as { Module: ZstdModule };
  const wasm = readFileSync(join(folder, 'zstd.wasm'));
  const { Module, Instance } = (globalThis as unknown as { WebAssembly: SynchronousWasm }).WebAssembly;
  module.instantiateWasm = (imports, receive) => receive(new Instance(new Module(wasm), imports));
  module.init(wasm);
  const room = module._ZSTD_compressBound(MAX_EXTENT);
  loaded = { module, room, from: module._malloc(room), into: module._malloc(room) };
  return loaded;
}

/** Fills `into` with what the frame at the start of `from` holds; returns how many bytes that were. @throws BrokenStream */
export function zstdDecompress(from: Uint8Array, into: Uint8Array): number {
  const length = frameLength(from);
  const { module, room, from: source, into: target } = loaded ?? load();
  if (length > room) throw new BrokenStream(`frame of ${length} bytes`);
  module.HEAPU8.set(from.subarray(0, length), source);
  const size = module._ZSTD_decompress(target, room, source, length);
  if (module._ZSTD_isError(size) !== 0) throw new BrokenStream('the library refuses the frame');
  const count = Math.min(size, into.length);
  into.set(module.HEAPU8.subarray(target, target + count));
  return count;
}

/** `from` (at most 128 KiB) as one frame. Levels as zstd has them; btrfs uses 3 unless told otherwise. */
export function zstdCompress(from: Uint8Array, level = 3): Uint8Array {
  const { module, room, from: source, into: target } = loaded ?? load();
  if (from.length > MAX_EXTENT) throw new RangeError(`${from.length} bytes are no extent`);
  module.HEAPU8.set(from, source);
  const size = module._ZSTD_compress(target, room, source, from.length, level);
  if (module._ZSTD_isError(size) !== 0) throw new Error('zstd cannot compress');
  return module.HEAPU8.slice(target, target + size);
}

const MAGIC = 0xfd2fb528;
const RLE = 1;

/**
 * Bytes of the frame at the start of `data`. An extent is padded with zeros to whole sectors, which the library would
 * take for a second, broken frame. (RFC 8878: header, blocks each with 3 bytes of header, checksum.)
 */
function frameLength(data: Uint8Array): number {
  if (data.length < 9) throw new BrokenStream('too short for a frame');
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  if (view.getUint32(0, true) !== MAGIC) throw new BrokenStream('no zstd frame');
  const descriptor = data[4] as number;
  const single = (descriptor & 0x20) !== 0;
  const sizeBytes = [single ? 1 : 0, 2, 4, 8][descriptor >> 6] as number;
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3] as number;
  let at = 5 + (single ? 0 : 1) + dictionaryBytes + sizeBytes;
  for (;;) {
    if (at + 3 > data.length) throw new BrokenStream('frame without an end');
    const header = (data[at] as number) | ((data[at + 1] as number) << 8) | ((data[at + 2] as number) << 16);
    at += 3 + (((header >> 1) & 3) === RLE ? 1 : header >> 3);
    if ((header & 1) !== 0) break;
  }
  if ((descriptor & 4) !== 0) at += 4;
  if (at > data.length) throw new BrokenStream('frame without an end');
  return at;
}
