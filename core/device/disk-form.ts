/**
 * How a disk is kept in a file where that is not byte for byte, by what the file begins with. The names are those that
 * QEMU has for its block drivers (`qemu-img --help`), the magics those of its block/*.c and of docs/interop/qcow2.txt.
 */

/** Bytes of the beginning that tell. */
export const FORM_BYTES = 512;

const MAGICS: readonly (readonly [form: string, at: number, magic: string])[] = [
  ['qcow2', 0, 'QFI\xfb'],
  ['vmdk', 0, 'KDMV'],
  ['vmdk', 0, 'COWD'],
  ['vmdk', 0, '# Disk DescriptorFile'],
  ['vhdx', 0, 'vhdxfile'],
  ['vpc', 0, 'conectix'],
  ['vdi', 64, '\x7f\x10\xda\xbe'],
  ['qed', 0, 'QED\0'],
  ['parallels', 0, 'WithoutFreeSpace'],
  ['parallels', 0, 'WithouFreSpacExt'],
];
const VERSION_AT = 7;

/** The form of the disk in a file that begins so, or null: the bytes of the file are those of the disk. */
export function diskForm(start: Uint8Array): string | null {
  for (const [form, at, magic] of MAGICS) {
    let same = 0;
    while (same < magic.length && start[at + same] === magic.charCodeAt(same)) same++;
    if (same < magic.length) continue;
    return form === 'qcow2' && start[VERSION_AT] === 1 ? 'qcow' : form;
  }
  return null;
}
