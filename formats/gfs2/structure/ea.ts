/** The header of an extended attribute; the name follows, then the value or pointers to it (kernel: struct gfs2_ea_header). */
import { be32, struct, u8 } from '../../../core/struct.ts';

export const EA_HEADER_SIZE = 16;

export const EaHeader = struct('gfs2_ea_header', EA_HEADER_SIZE, {
  ea_rec_len: be32,
  ea_data_len: be32,
  ea_name_len: u8,
  ea_type: u8,
  ea_flags: u8,
  ea_num_ptrs: u8,
  pad: be32,
});

export const EaType = { UNUSED: 0, USR: 1, SYS: 2, SECURITY: 3, TRUSTED: 4 } as const;
/** The last one in its block. */
export const EAFLAG_LAST = 0x1;
/** Bytes of the longest value. */
export const EA_MAX_DATA = 65536;
