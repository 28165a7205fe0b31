/** Field types of ext4's structures beside core's. */
import { type FieldType, le16 } from '../../../core/struct.ts';

/** 16 bits that are printed in hexadecimal: flags, magic numbers, checksums. */
export const le16x: FieldType<number> = { ...le16, format: (value) => `0x${value.toString(16)}` };
