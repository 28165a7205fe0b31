/**
 * POSIX ACLs as ext4 keeps them: entries that name nobody take four bytes, the others eight (kernel: fs/ext4/acl.h).
 *
 *     version:le32 = 1 | tag:le16 perm:le16 [id:le32] …
 */
import { FsError } from '../../../core/errors.ts';
import { ACL_NO_ID, type Acl, type AclEntry, AclTag } from '../../../core/vfs/acl.ts';
import { ACL_VERSION } from '../structure/xattr.ts';

const HEADER = 4;
const SHORT = 4;
const FULL = 8;
/** At most so many entries are short: owner, group, mask, others. */
const MAX_SHORT = 4;

/** How many entries a list of so many bytes has, or -1 for no list's length. */
function entryCount(size: number): number {
  const entries = size - HEADER;
  const named = entries - MAX_SHORT * SHORT;
  if (named < 0) return entries % SHORT === 0 ? entries / SHORT : -1;
  return named % FULL === 0 ? named / FULL + MAX_SHORT : -1;
}

/** The bytes that users see of a list that takes `size` on disk. */
export function aclUserSize(size: number): number {
  return HEADER + Math.max(0, entryCount(size)) * FULL;
}

/** The list in an attribute's value; null for an empty one. @throws FsError EINVAL if it is none, as Linux says */
export function aclFromDisk(disk: Uint8Array): Acl | null {
  const view = new DataView(disk.buffer, disk.byteOffset, disk.length);
  if (disk.length < HEADER || view.getUint32(0, true) !== ACL_VERSION) throw bad('version');
  const count = entryCount(disk.length);
  if (count < 0) throw bad('length');
  const entries: AclEntry[] = [];
  let at = HEADER;
  while (entries.length < count) {
    if (at + SHORT > disk.length) throw bad('length');
    const tag = view.getUint16(at, true);
    const named = tag === AclTag.USER || tag === AclTag.GROUP;
    if (named && at + FULL > disk.length) throw bad('length');
    if (!Object.values<number>(AclTag).includes(tag)) throw bad(`tag ${tag}`);
    entries.push({ tag, perm: view.getUint16(at + 2, true), id: named ? view.getUint32(at + 4, true) : ACL_NO_ID });
    at += named ? FULL : SHORT;
  }
  if (at !== disk.length) throw bad('length');
  return count === 0 ? null : entries;
}

function bad(what: string): FsError {
  return new FsError('EINVAL', { detail: `the access control list has a bad ${what}` });
}
