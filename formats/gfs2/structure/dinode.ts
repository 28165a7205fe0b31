/** The dinode: a block for each file, with its data, or pointers to them, behind it (kernel: struct gfs2_dinode). */
import { be16, be32, be32x, be64big, bytes, struct } from '../../../core/struct.ts';
import { blockNumber, metaFields } from './meta.ts';

/** Bytes before the data or pointers of a file. */
export const DINODE_SIZE = 232;
export const MAX_HEIGHT = 10;

export const Dinode = struct('gfs2_dinode', DINODE_SIZE, {
  ...metaFields,
  no_formal_ino: blockNumber,
  no_addr: blockNumber,
  di_mode: be32,
  di_uid: be32,
  di_gid: be32,
  di_nlink: be32,
  di_size: be64big,
  di_blocks: blockNumber,
  di_atime: be64big,
  di_mtime: be64big,
  di_ctime: be64big,
  di_major: be32,
  di_minor: be32,
  di_goal_meta: blockNumber,
  di_goal_data: blockNumber,
  di_generation: be64big,
  di_flags: be32x,
  di_payload_format: be32,
  pad1: be16,
  di_height: be16,
  pad2: be32,
  pad3: be16,
  di_depth: be16,
  di_entries: be32,
  pad4: bytes(16),
  di_eattr: blockNumber,
  di_atime_nsec: be32,
  di_mtime_nsec: be32,
  di_ctime_nsec: be32,
  di_reserved: bytes(44),
});

/** GFS2_DIF_*. */
export const DinodeFlag = {
  JDATA: 0x1,
  /** The directory's names lie in leaves that a table of hashes leads to. */
  EXHASH: 0x2,
  /** `di_eattr` is a block of pointers to blocks of attributes. */
  EA_INDIRECT: 0x8,
  DIRECTIO: 0x10,
  IMMUTABLE: 0x20,
  APPENDONLY: 0x40,
  NOATIME: 0x80,
  SYNC: 0x100,
  SYSTEM: 0x200,
  TOPDIR: 0x400,
  TRUNC_IN_PROG: 0x20000000,
  INHERIT_DIRECTIO: 0x40000000,
  INHERIT_JDATA: 0x80000000,
} as const;
