/** Features that an image comes to need while it is used: who does not know them must not read it any more. */
import type { BtrfsMount } from './mount.ts';
import { Incompat } from './structure/features.ts';
import { Compression } from './structure/file-extent.ts';

/** The image needs this feature from now on. Inside mp.change(). */
export function setIncompat(mp: BtrfsMount, bit: bigint): void {
  const { sb, trans } = mp;
  const before = sb.incompat_flags;
  if ((before & bit) !== 0n) return;
  sb.incompat_flags |= bit;
  trans.onUndo(() => {
    sb.incompat_flags = before;
  });
}

/** The image has data compressed by `kind` from now on, or files that ask for it. Inside mp.change(). */
export function needCompression(mp: BtrfsMount, kind: number): void {
  if (kind === Compression.LZO) setIncompat(mp, Incompat.COMPRESS_LZO);
  else if (kind === Compression.ZSTD) setIncompat(mp, Incompat.COMPRESS_ZSTD);
}
