/** The numbers of the NBD protocol, fixed newstyle (github.com/NetworkBlockDevice/nbd, doc/proto.md). Big-endian. */

export const INIT_MAGIC = 0x4e42444d41474943n; // NBDMAGIC
export const OPTION_MAGIC = 0x49484156454f5054n; // IHAVEOPT
export const OLDSTYLE_MAGIC = 0x00420281861253n;
export const OPTION_REPLY_MAGIC = 0x3e889045565a9n;
export const REQUEST_MAGIC = 0x25609513;
export const SIMPLE_REPLY_MAGIC = 0x67446698;
export const STRUCTURED_REPLY_MAGIC = 0x668e33ef;

/** Handshake flags, the server's and the client's alike. */
export const Handshake = { FIXED_NEWSTYLE: 1, NO_ZEROES: 2 } as const;

export const Option = { EXPORT_NAME: 1, ABORT: 2, GO: 7, STRUCTURED_REPLY: 8 } as const;

export const Reply = { ACK: 1, INFO: 3, ERROR: 0x80000000 } as const;

/** What a server answers instead of an acknowledgement. */
export const OPTION_ERRORS: Record<number, string> = {
  0x80000001: 'the server does not know the request',
  0x80000002: 'the server forbids it',
  0x80000003: 'the server calls the request malformed',
  0x80000005: 'the server requires TLS, which is not supported here; use a tunnel',
  0x80000006: 'there is no export of this name',
  0x80000007: 'the server is shutting down',
  0x80000008: 'the server insists on a block size that it was not asked for',
  0x80000009: 'the export name or request is too long',
};
export const ERR_UNSUPPORTED = 0x80000001;

export const Info = { EXPORT: 0, BLOCK_SIZE: 3 } as const;

export const Transmission = { HAS_FLAGS: 1, READ_ONLY: 2, SEND_FLUSH: 4, SEND_FUA: 8 } as const;

export const Command = { READ: 0, WRITE: 1, DISCONNECT: 2, FLUSH: 3 } as const;
export const COMMAND_FUA = 1;

export const Chunk = { NONE: 0, OFFSET_DATA: 1, OFFSET_HOLE: 2, ERROR: 0x8000 } as const;
export const CHUNK_DONE = 1;

/** Error numbers of replies by their names; the protocol fixes them to Linux's. */
export const ERRORS: Record<number, 'EPERM' | 'EIO' | 'ENOMEM' | 'EINVAL' | 'ENOSPC' | 'EOVERFLOW' | 'EOPNOTSUPP'> = {
  1: 'EPERM',
  5: 'EIO',
  12: 'ENOMEM',
  22: 'EINVAL',
  28: 'ENOSPC',
  75: 'EOVERFLOW',
  95: 'EOPNOTSUPP',
};

/** What the handshake agreed on. */
export interface ExportInfo {
  /** Bytes. */
  readonly size: number;
  readonly flags: number;
  readonly structured: boolean;
  /** Requests must begin and end on multiples of this. */
  readonly minBlock: number;
  /** Bytes that one request may have. */
  readonly maxPayload: number;
}
