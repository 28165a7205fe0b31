/**
 * The device tree's view of the chunks: which bytes of each device belong to which chunk. Where it says something else
 * than the chunk tree, Linux does not mount; here nothing is written, since a new chunk would take bytes that are
 * not free (kernel: btrfs_verify_dev_extents).
 */
import { corrupt, type FsError } from '../../../core/errors.ts';
import type { BtrfsMount } from '../mount.ts';
import { DevExtent } from '../structure/chunk.ts';
import { ItemType } from '../structure/key.ts';
import { TreeCursor } from '../tree/cursor.ts';

/** @throws FsError EUCLEAN if device extents and stripes of chunks are not the same, or one is not on its device */
export function checkDeviceExtents(mp: BtrfsMount): void {
  const wanted = new Map<string, number>();
  for (const chunk of mp.space.chunks) {
    for (const { member, addr } of chunk.stripes) {
      if (addr + chunk.stripeBytes > member.totalBytes) throw bad(member.devid, addr, 'reaches behind the device');
      wanted.set(`${member.devid} ${addr}`, chunk.logical);
    }
  }
  const cursor = new TreeCursor(mp.devRoot);
  try {
    for (let more = cursor.first(); more; more = cursor.next()) {
      const { key, view, at } = cursor;
      if (key.type !== ItemType.DEV_EXTENT) continue;
      const name = `${key.objectid} ${key.offset}`;
      const logical = DevExtent.get.chunk_offset(view, at);
      const chunk = wanted.get(name) === logical ? mp.space.chunks.find(logical) : null;
      if (chunk === null) throw bad(key.objectid, key.offset, 'no stripe of a chunk');
      const length = DevExtent.get.length(view, at);
      if (length !== chunk.stripeBytes) throw bad(key.objectid, key.offset, `length ${length} is not its stripe's`);
      wanted.delete(name);
    }
  } finally {
    cursor.close();
  }
  for (const [name, logical] of wanted) {
    throw corrupt({ structure: `chunk ${logical}`, rule: `no device extent for its stripe on device ${name}` });
  }
}

function bad(devid: number, addr: number, rule: string): FsError {
  return corrupt({ structure: `extent of device ${devid} at ${addr}`, rule });
}
