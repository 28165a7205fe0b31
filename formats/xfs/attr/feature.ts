/** The bit of the superblock that says that the image has attributes; Linux sets it with the first attribute fork. */
import type { XfsMount } from '../mount.ts';
import { VersionBit } from '../structure/features.ts';
import { Superblock } from '../structure/sb.ts';
import type { Trans } from '../trans.ts';

/** The superblock says that attributes exist since the first fork for them. */
export function noteAttributes(tp: Trans, mp: XfsMount): void {
  const buf = mp.sbBuf;
  const version = Superblock.get.versionnum(buf.view, 0);
  if ((version & VersionBit.ATTR) !== 0) return;
  tp.modifySb(Superblock.at.versionnum, 2);
  Superblock.set.versionnum(buf.view, 0, version | VersionBit.ATTR);
}
