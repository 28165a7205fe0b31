/** subvolume find-new: the extents of a subvolume's files that are of a generation or younger. */
import { says } from '../../../core/vfs/word.ts';
import { inodePaths } from '../inspect/paths.ts';
import { FileExtentItem, FileExtentType } from '../structure/file-extent.ts';
import { ItemType } from '../structure/key.ts';
import { TreeCursor } from '../tree/cursor.ts';
import type { TreeRoot } from '../tree/root.ts';

/** An extent a line, in order of inodes and offsets; the generation of the tree last. @throws FsError */
export function* findNew(root: TreeRoot, oldest: number) {
  const cursor = new TreeCursor(root);
  let ino = -1;
  let path = '';
  try {
    for (let more = cursor.first(); more; more = cursor.next()) {
      const { key, view, at } = cursor;
      if (key.type !== ItemType.EXTENT_DATA) continue;
      const generation = FileExtentItem.get.generation(view, at);
      if (generation < oldest) continue;
      if (key.objectid !== ino) {
        ino = key.objectid;
        path = inodePaths(root, ino)[0] ?? '';
      }
      const { objectid: inode, offset: pos } = key;
      const type = FileExtentItem.get.type(view, at);
      const inline = type === FileExtentType.INLINE;
      const data = {
        inode,
        offset: pos,
        length: inline ? FileExtentItem.get.ram_bytes(view, at) : FileExtentItem.get.num_bytes(view, at),
        diskStart: inline ? 0 : FileExtentItem.get.disk_bytenr(view, at),
        diskOffset: inline ? 0 : FileExtentItem.get.offset(view, at),
        generation,
        flags: [
          ...(FileExtentItem.get.compression(view, at) === 0 ? [] : ['COMPRESS']),
          ...(type === FileExtentType.PREALLOC ? ['PREALLOC'] : []),
          ...(inline ? ['INLINE'] : []),
        ],
        path,
      };
      yield says(data, [
        `inode ${inode} file offset ${pos} len ${data.length} disk start ${data.diskStart} offset ${data.diskOffset} gen ${generation} flags ${data.flags.join('|') || 'NONE'} ${path}`,
      ]);
    }
  } finally {
    cursor.close();
  }
  yield says({ transid: root.generation }, [`transid marker was ${root.generation}`]);
}
