/** What file systems say in statfs(2) alike. */

/** Flags (kernel: include/linux/statfs.h): mounted for reading only; the flags are meant; access times as usual. */
export const StatFsFlag = { RDONLY: 1, VALID: 0x20, RELATIME: 0x1000 } as const;

/** The id that Linux makes of a UUID (uuid_to_fsid): its halves folded. */
export function uuidFsid(uuid: Uint8Array): readonly [number, number] {
  const view = new DataView(uuid.buffer, uuid.byteOffset, 16);
  return [
    (view.getUint32(0, true) ^ view.getUint32(8, true)) >>> 0,
    (view.getUint32(4, true) ^ view.getUint32(12, true)) >>> 0,
  ];
}
