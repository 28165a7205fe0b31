/**
 * The file of --overlay: what was changed of an image, beside it. All integers little-endian.
 *
 *     0      header, 4096 bytes: what image this is about
 *     4096   records, one after the other; each a head of 32 bytes and `length` bytes
 *              DATA    `length` bytes of the image at `addr`; both are multiples of 4096 (the image's end apart)
 *              FLUSH   all before it was asked to be durable
 *              COMMIT  all before it is being written to the image
 *
 * Nothing is ever rewritten: the newest record of a block is what counts, and what follows the last good FLUSH does not
 * count at all. A head carries its own checksum, the generation of the file (so that what is left of an earlier use of
 * the space is not taken for a record) and the checksum of its data. Since a FLUSH and the data before it go to the
 * disk in any order, the data of the last group are checked when the file is opened; those of earlier groups were
 * durable before anything was appended to them.
 */
import { crc32c } from '../../checksum.ts';
import { bytes, le32, le32x, le64, le64big, struct } from '../../struct.ts';

export const HEADER_SIZE = 4096;
export const BLOCK = 4096;
/** Bytes at the start of the image that are part of its identity. */
export const IDENTITY_BYTES = 131072;

export const OverlayHeader = struct('overlay_header', 80, {
  magic: bytes(8),
  version: le32,
  generation: le32,
  image_size: le64,
  /** Nanoseconds; 0 where the image has no times (a device, an export). */
  image_mtime: le64big,
  /** SHA-256 of the first IDENTITY_BYTES of the image. */
  image_start: bytes(32),
  reserved: bytes(12),
  crc: le32x,
});

export const OverlayRecord = struct('overlay_record', 32, {
  magic: le32x,
  kind: le32,
  addr: le64,
  length: le32,
  data_crc: le32x,
  generation: le32,
  crc: le32x,
});

export const MAGIC = Buffer.from('FSIOOVL1', 'latin1');
export const VERSION = 1;
export const RECORD_MAGIC = 0x5256_4f46;
export const Kind = { DATA: 1, FLUSH: 2, COMMIT: 3 } as const;

/** What tells one image from another. */
export interface Identity {
  readonly size: number;
  readonly mtime: bigint;
  readonly start: Uint8Array;
}

/** The header's block. */
export function encodeHeader(identity: Identity, generation: number): Buffer {
  const block = Buffer.alloc(HEADER_SIZE);
  const view = new DataView(block.buffer, block.byteOffset);
  OverlayHeader.encode(view, 0, {
    magic: MAGIC,
    version: VERSION,
    generation,
    image_size: identity.size,
    image_mtime: identity.mtime,
    image_start: identity.start,
  });
  OverlayHeader.set.crc(view, 0, crc32c(block.subarray(0, OverlayHeader.at.crc)));
  return block;
}

/** The header in a block, or what is wrong with it. */
export function decodeHeader(block: Buffer): (Identity & { readonly generation: number }) | string {
  const view = new DataView(block.buffer, block.byteOffset, block.length);
  if (!MAGIC.equals(block.subarray(0, MAGIC.length))) return 'magic';
  if (OverlayHeader.get.version(view, 0) !== VERSION) return `version ${OverlayHeader.get.version(view, 0)}`;
  if (OverlayHeader.get.crc(view, 0) !== crc32c(block.subarray(0, OverlayHeader.at.crc))) return 'crc';
  return {
    size: OverlayHeader.get.image_size(view, 0),
    mtime: OverlayHeader.get.image_mtime(view, 0),
    start: OverlayHeader.get.image_start(view, 0),
    generation: OverlayHeader.get.generation(view, 0),
  };
}

/** A record's head. */
export function encodeRecord(kind: number, addr: number, data: Uint8Array, generation: number): Buffer {
  const head = Buffer.alloc(OverlayRecord.size);
  const view = new DataView(head.buffer, head.byteOffset, head.length);
  const data_crc = data.length === 0 ? 0 : crc32c(data);
  OverlayRecord.encode(view, 0, { magic: RECORD_MAGIC, kind, addr, length: data.length, data_crc, generation });
  OverlayRecord.set.crc(view, 0, crc32c(head.subarray(0, OverlayRecord.at.crc)));
  return head;
}

/** The head in `head`, or null if it is none of this generation. */
export function decodeRecord(head: Buffer, generation: number) {
  const view = new DataView(head.buffer, head.byteOffset, head.length);
  if (OverlayRecord.get.magic(view, 0) !== RECORD_MAGIC) return null;
  if (OverlayRecord.get.crc(view, 0) !== crc32c(head.subarray(0, OverlayRecord.at.crc))) return null;
  const record = OverlayRecord.decode(view, 0);
  return record.generation === generation ? record : null;
}
