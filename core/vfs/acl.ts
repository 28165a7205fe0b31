/**
 * POSIX access control lists, whatever form a file system keeps them in: the user-visible attribute's bytes, the
 * checks, what chmod does to a list and what a directory's default list does to new files (kernel: fs/posix_acl.c).
 *
 *     system.posix_acl_access, system.posix_acl_default:   version:le32 = 2 | tag:le16 perm:le16 id:le32 …
 */
import { FsError } from '../errors.ts';
import type { FileKind } from './inode.ts';

/** Who an entry is about. */
export const AclTag = { USER_OBJ: 0x01, USER: 0x02, GROUP_OBJ: 0x04, GROUP: 0x08, MASK: 0x10, OTHER: 0x20 } as const;

/** The id of entries that name nobody. */
export const ACL_NO_ID = 0xffffffff;

/** One entry; `perm` is rwx as 4, 2, 1; `id` a uid or gid, or ACL_NO_ID. */
export interface AclEntry {
  readonly tag: number;
  readonly perm: number;
  readonly id: number;
}

/** A list in its prescribed order: owner, users, group, groups, mask, others. */
export type Acl = readonly AclEntry[];

/** The list that decides about a file, or the one that files created in a directory get. */
export type AclType = 'access' | 'default';

const VERSION = 2;
const HEADER = 4;
const ENTRY = 8;

/** Which list a name of the system namespace means, or null. */
export function aclTypeOf(name: string): AclType | null {
  if (name === 'posix_acl_access') return 'access';
  return name === 'posix_acl_default' ? 'default' : null;
}

/** The name, in the system namespace, of a list. */
export function aclName(type: AclType): string {
  return `posix_acl_${type}`;
}

/** The list in an attribute's value; null for an empty one. @throws FsError EINVAL, EOPNOTSUPP for another version */
export function decodeAcl(value: Uint8Array): Acl | null {
  if (value.length === 0) return null;
  if (value.length < HEADER) throw new FsError('EINVAL');
  const view = new DataView(value.buffer, value.byteOffset, value.length);
  if (view.getUint32(0, true) !== VERSION) throw new FsError('EOPNOTSUPP');
  if ((value.length - HEADER) % ENTRY !== 0) throw new FsError('EINVAL');
  const entries: AclEntry[] = [];
  for (let at = HEADER; at < value.length; at += ENTRY) {
    const tag = view.getUint16(at, true);
    const id = view.getUint32(at + 4, true);
    entries.push({ tag, perm: view.getUint16(at + 2, true), id: namesSomebody(tag) ? id : ACL_NO_ID });
  }
  return entries.length === 0 ? null : entries;
}

/** The attribute's value for a list. */
export function encodeAcl(acl: Acl): Uint8Array {
  const view = new DataView(new ArrayBuffer(HEADER + acl.length * ENTRY));
  view.setUint32(0, VERSION, true);
  for (const [i, { tag, perm, id }] of acl.entries()) {
    const at = HEADER + i * ENTRY;
    view.setUint16(at, tag, true);
    view.setUint16(at + 2, perm, true);
    view.setUint32(at + 4, namesSomebody(tag) ? id : ACL_NO_ID, true);
  }
  return new Uint8Array(view.buffer);
}

function namesSomebody(tag: number): boolean {
  return tag === AclTag.USER || tag === AclTag.GROUP;
}

/** The tags that may follow each tag. A mask must be there as soon as somebody is named. */
const FOLLOWERS: Readonly<Record<number, readonly number[]>> = {
  0: [AclTag.USER_OBJ],
  [AclTag.USER_OBJ]: [AclTag.USER, AclTag.GROUP_OBJ],
  [AclTag.USER]: [AclTag.USER, AclTag.GROUP_OBJ],
  [AclTag.GROUP_OBJ]: [AclTag.GROUP, AclTag.MASK, AclTag.OTHER],
  [AclTag.GROUP]: [AclTag.GROUP, AclTag.MASK],
  [AclTag.MASK]: [AclTag.OTHER],
  [AclTag.OTHER]: [],
};

/** @throws FsError EINVAL for a list that no file may have */
export function checkAcl(acl: Acl): void {
  let before = 0;
  let mask = false;
  let named = false;
  for (const { tag, perm, id } of acl) {
    const inOrder = FOLLOWERS[before]?.includes(tag) ?? false;
    if (!inOrder || (perm & ~7) !== 0) throw new FsError('EINVAL');
    if (namesSomebody(tag) && id === ACL_NO_ID) throw new FsError('EINVAL');
    named ||= namesSomebody(tag);
    mask ||= tag === AclTag.MASK;
    before = tag;
  }
  if (before !== AclTag.OTHER || (named && !mask)) throw new FsError('EINVAL');
}

/** True if the permission bits say all that the list says: it need not be kept. */
export function isMinimalAcl(acl: Acl): boolean {
  return !acl.some(({ tag }) => tag === AclTag.MASK || namesSomebody(tag));
}

/** `mode` with the permission bits that the list stands for; the mask takes the group's place. */
export function modeOfAcl(acl: Acl, mode: number): number {
  let bits = 0;
  for (const { tag, perm } of acl) {
    if (tag === AclTag.USER_OBJ) bits |= perm << 6;
    else if (tag === AclTag.GROUP_OBJ) bits |= perm << 3;
    else if (tag === AclTag.OTHER) bits |= perm;
    else if (tag === AclTag.MASK) bits = (bits & ~0o070) | (perm << 3);
  }
  return (mode & ~0o777) | bits;
}

/** The tag whose entry carries the group's permission bits. */
function groupBearer(acl: Acl): number {
  return acl.some(({ tag }) => tag === AclTag.MASK) ? AclTag.MASK : AclTag.GROUP_OBJ;
}

/** The access list after chmod to `mode`. */
export function chmodAcl(acl: Acl, mode: number): Acl {
  const bearer = groupBearer(acl);
  return acl.map((entry) => {
    if (entry.tag === AclTag.USER_OBJ) return { ...entry, perm: (mode >> 6) & 7 };
    if (entry.tag === bearer) return { ...entry, perm: (mode >> 3) & 7 };
    return entry.tag === AclTag.OTHER ? { ...entry, perm: mode & 7 } : entry;
  });
}

/** What a new inode starts with. */
export interface InheritedAcls {
  /** Type and permission bits. */
  readonly mode: number;
  readonly access: Acl | null;
  readonly default: Acl | null;
}

/**
 * What an inode of `kind` created with `mode` gets from its directory's default list; without one the umask
 * applies. Symbolic links get nothing, and keep their mode.
 */
export function inheritAcl(parentDefault: Acl | null, kind: FileKind, mode: number, umask: number): InheritedAcls {
  if (kind === 'symlink') return { mode, access: null, default: null };
  if (parentDefault === null) return { mode: mode & ~umask, access: null, default: null };
  const bearer = groupBearer(parentDefault);
  const access = parentDefault.map((entry) => {
    if (entry.tag === AclTag.USER_OBJ) return { ...entry, perm: entry.perm & (mode >> 6) };
    if (entry.tag === bearer) return { ...entry, perm: entry.perm & (mode >> 3) };
    return entry.tag === AclTag.OTHER ? { ...entry, perm: entry.perm & mode } : entry;
  });
  return {
    mode: modeOfAcl(access, mode),
    access: isMinimalAcl(access) ? null : access,
    default: kind === 'dir' ? parentDefault : null,
  };
}

/** What setting or removing a list does to an inode. */
export interface AclPlan {
  /** The list to keep; null: none shall be there. */
  readonly acl: Acl | null;
  /** The mode that the inode has then. */
  readonly mode: number;
}

/**
 * Checks the value that a user gives for a list (null to remove it) against an inode of this kind and mode. Null:
 * nothing is to be done. @throws FsError EINVAL, EOPNOTSUPP, EACCES for a default list on what is no directory
 */
export function planAcl(type: AclType, value: Uint8Array | null, kind: FileKind, mode: number): AclPlan | null {
  const acl = value === null ? null : decodeAcl(value);
  // Linux refuses ids that mean nobody and unknown tags before it looks at the kind of file.
  if (acl?.some(({ tag, id }) => !(tag in FOLLOWERS) || tag === 0 || (namesSomebody(tag) && id === ACL_NO_ID)))
    throw new FsError('EINVAL');
  if (kind === 'symlink') throw new FsError('EOPNOTSUPP');
  if (type === 'default' && kind !== 'dir') {
    if (acl !== null) throw new FsError('EACCES');
    return null;
  }
  if (acl === null) return { acl, mode };
  checkAcl(acl);
  if (type === 'default') return { acl, mode };
  return { acl: isMinimalAcl(acl) ? null : acl, mode: modeOfAcl(acl, mode) };
}
