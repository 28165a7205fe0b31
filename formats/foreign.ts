/**
 * What else may be on a device: other file systems, and what must be opened or unpacked before a file system is there.
 * Places and magics are those of libblkid's superblock probes (util-linux) and of file(1).
 */
import type { Device } from '../core/device/device.ts';

/** Bytes at an address, written as Latin-1 text. */
type Magic = readonly [addr: number, text: string];

const KINDS: readonly (readonly [what: string, ...magics: Magic[]])[] = [
  ['it is compressed by gzip: unpack it first', [0, '\x1f\x8b']],
  ['it is compressed by xz: unpack it first', [0, '\xfd7zXZ\0']],
  ['it is compressed by zstd: unpack it first', [0, '\x28\xb5\x2f\xfd']],
  ['it is compressed by bzip2: unpack it first', [0, 'BZh']],
  ['it is compressed by lz4: unpack it first', [0, '\x04\x22\x4d\x18']],
  ['it is an archive: unpack it first', [0, 'PK\x03\x04'], [0, '7z\xbc\xaf\x27\x1c'], [257, 'ustar']],
  ['it is encrypted by LUKS: open it with cryptsetup', [0, 'LUKS\xba\xbe']],
  ['it is encrypted by BitLocker: open it with cryptsetup', [3, '-FVE-FS-']],
  [
    'it is a physical volume of LVM: fsio opens the logical volume',
    [0, 'LABELONE'],
    [512, 'LABELONE'],
    [1024, 'LABELONE'],
  ],
  ['it is a member of an md RAID: fsio opens the array', [0, '\xfc\x4e\x2b\xa9'], [4096, '\xfc\x4e\x2b\xa9']],
  ['it is swap space', [4086, 'SWAPSPACE2'], [65526, 'SWAPSPACE2']],
  ['it is NTFS', [3, 'NTFS    ']],
  ['it is exFAT', [3, 'EXFAT   ']],
  ['it is FAT', [54, 'FAT12   '], [54, 'FAT16   '], [82, 'FAT32   ']],
  ['it is F2FS', [1024, '\x10\x20\xf5\xf2']],
  ['it is bcachefs', [4120, '\xc6\x85\x73\xf6\x66\xce\x90\xa9\xd9\x6a\x60\xcf\x80\x3d\xf7\xef']],
  ['it is EROFS', [1024, '\xe2\xe1\xf5\xe0']],
  ['it is SquashFS', [0, 'hsqs']],
  ['it is NILFS2', [1030, '\x34\x34']],
  ['it is JFS', [32768, 'JFS1']],
  ['it is ReiserFS', [65588, 'ReIsEr'], [8244, 'ReIsEr']],
  ['it is an ISO 9660 image', [32769, 'CD001']],
  ['it is UDF', [32769, 'BEA01'], [32769, 'NSR0']],
  ['it is APFS', [32, 'NXSB']],
  ['it is HFS+', [1024, 'H+\0'], [1024, 'HX\0']],
];

/** What is on a device on which no format is known, or null. @throws FsError EIO */
export function foreignContent(device: Device): string | null {
  const found = KINDS.find(([, ...magics]) => magics.some(([addr, text]) => hasText(device, addr, text)));
  if (found !== undefined) return found[0];
  if (device.size === 0) return 'it is empty';
  return isZero(device) ? 'it begins with zeros: nothing was made in it, or not there' : null;
}

function hasText(device: Device, addr: number, text: string): boolean {
  if (addr + text.length > device.size) return false;
  const bytes = new Uint8Array(text.length);
  device.read(addr, bytes);
  return bytes.every((byte, i) => byte === text.charCodeAt(i));
}

const LOOKED_AT = 128 * 1024;

function isZero(device: Device): boolean {
  const bytes = new Uint8Array(Math.min(LOOKED_AT, device.size));
  device.read(0, bytes);
  return bytes.every((byte) => byte === 0);
}
