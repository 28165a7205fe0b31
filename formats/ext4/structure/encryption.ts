/** The attribute that says how a file is encrypted (kernel: fs/crypto/fscrypt_private.h, fscrypt_context_v1 and _v2). */
import { bytes, struct, u8 } from '../../../core/struct.ts';

export const EncryptionContext = struct('fscrypt_context_v1', 28, {
  version: u8,
  contents_mode: u8,
  filenames_mode: u8,
  flags: u8,
  key: bytes(8),
  nonce: bytes(16),
});

export const EncryptionContextV2 = struct('fscrypt_context_v2', 40, {
  version: u8,
  contents_mode: u8,
  filenames_mode: u8,
  flags: u8,
  log2_data_unit_size: u8,
  reserved: bytes(3),
  key: bytes(16),
  nonce: bytes(16),
});
