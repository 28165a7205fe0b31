/**
 * POSIX ACLs as XFS keeps them: root attributes SGI_ACL_FILE and SGI_ACL_DEFAULT, big-endian, where users see
 * system.posix_acl_access and system.posix_acl_default, little-endian (kernel: xfs_acl.c, posix_acl_xattr.h).
 *
 *     disk   count:u32 | tag:u32 id:u32 perm:u16 pad:u16 …        user   version:u32 = 2 | tag:u16 perm:u16 id:u32 …
 */
import { corrupt } from '../../../core/errors.ts';
import type { Acl } from '../../../core/vfs/acl.ts';

const VERSION = 2;
const DISK_ENTRY = 12;
const USER_ENTRY = 8;
const ACL_USER = 0x02;
const ACL_GROUP = 0x08;
const NO_ID = 0xffffffff;

const NAMES: readonly (readonly [user: string, disk: string])[] = [
  ['posix_acl_access', 'SGI_ACL_FILE'],
  ['posix_acl_default', 'SGI_ACL_DEFAULT'],
];

/** The root attribute behind a name of the system namespace, or null. */
export function aclDiskName(name: string): string | null {
  return NAMES.find(([user]) => user === name)?.[1] ?? null;
}

/** The system name of a root attribute that is an ACL, or null. */
export function aclUserName(name: string): string | null {
  return NAMES.find(([, disk]) => disk === name)?.[0] ?? null;
}

/** Bytes that users see of an ACL that takes `size` on disk. */
export function aclUserSize(size: number): number {
  return 4 + Math.floor((size - 4) / DISK_ENTRY) * USER_ENTRY;
}

/** Bytes on disk of a list with so many entries; 0 for none. */
export function aclDiskSize(entries: number): number {
  return entries === 0 ? 0 : 4 + entries * DISK_ENTRY;
}

/** The form on disk. */
export function aclToDisk(acl: Acl): Uint8Array {
  const view = new DataView(new ArrayBuffer(aclDiskSize(acl.length)));
  view.setUint32(0, acl.length);
  for (const [i, { tag, perm, id }] of acl.entries()) {
    const at = 4 + i * DISK_ENTRY;
    view.setUint32(at, tag);
    view.setUint32(at + 4, id);
    view.setUint16(at + 8, perm);
  }
  return new Uint8Array(view.buffer);
}

/** The form that users see. @throws FsError EUCLEAN if the length does not fit the count */
export function aclFromDisk(disk: Uint8Array, ino: number): Uint8Array {
  const from = new DataView(disk.buffer, disk.byteOffset, disk.length);
  const count = disk.length >= 4 ? from.getUint32(0) : -1;
  if (count < 0 || disk.length !== 4 + count * DISK_ENTRY)
    throw corrupt({ structure: `ACL of inode ${ino}`, field: 'acl_cnt', value: String(count), rule: 'does not fit' });
  const to = new DataView(new ArrayBuffer(4 + count * USER_ENTRY));
  to.setUint32(0, VERSION, true);
  for (let i = 0; i < count; i++) {
    const at = 4 + i * DISK_ENTRY;
    const into = 4 + i * USER_ENTRY;
    const tag = from.getUint32(at);
    to.setUint16(into, tag, true);
    to.setUint16(into + 2, from.getUint16(at + 8), true);
    to.setUint32(into + 4, tag === ACL_USER || tag === ACL_GROUP ? from.getUint32(at + 4) : NO_ID, true);
  }
  return new Uint8Array(to.buffer);
}
