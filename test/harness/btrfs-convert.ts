/** Kinds of btrfs that the installed mkfs cannot make: converted from others, by Linux or by our own trees. */
import { openDevice } from '../../core/device/open.ts';
import { CompatRo } from '../../formats/btrfs/structure/features.ts';
import { ItemType, Key, Objectid } from '../../formats/btrfs/structure/key.ts';
import { RootItem } from '../../formats/btrfs/structure/root.ts';
import { insertRootItem } from '../../formats/btrfs/trans/root-items.ts';
import { TreeCursor } from '../../formats/btrfs/tree/cursor.ts';
import { TreeRoot } from '../../formats/btrfs/tree/root.ts';
import { openTrees } from './btrfs-trees.ts';

/** Words that turn simple quotas on; `{}` is the mount point. BTRFS_IOC_QUOTA_CTL, ENABLE_SIMPLE_QUOTA. */
export const ENABLE_SIMPLE_QUOTAS = [
  'python3',
  '-c',
  'import fcntl,os,struct,sys;fcntl.ioctl(os.open(sys.argv[1],os.O_RDONLY),0xC0109428,struct.pack("QQ",4,0))',
  '{}',
];

/** Moves the block group items of an image into a tree of their own. */
export function moveBlockGroups(path: string): void {
  const device = openDevice(path);
  const { mp } = openTrees([device]);
  mp.change('block group tree', 16, () => {
    const item = RootItem.decode(new DataView(new ArrayBuffer(RootItem.size)), 0);
    item.refs = 1;
    const tree = new TreeRoot(mp, Objectid.BLOCK_GROUP_TREE, { bytenr: 0, level: 0, generation: mp.trans.id }, item);
    mp.trans.setRootNode(tree, mp.trans.allocTreeBlock(tree, 0));
    insertRootItem(mp.trans, tree);
    mp.addRoot(tree);
    const target = new TreeCursor(tree);
    const source = new TreeCursor(mp.extentRoot());
    source.search(new Key(0, 0, 0));
    while (source.valid) {
      if (source.key.type !== ItemType.BLOCK_GROUP_ITEM) {
        source.next();
        continue;
      }
      target.insert(source.key, source.size);
      const { view, at, size } = source;
      const bytes = new Uint8Array(view.buffer, view.byteOffset + at, size);
      new Uint8Array(target.view.buffer, target.view.byteOffset + target.at, size).set(bytes);
      source.delete();
    }
    target.close();
    source.close();
  });
  (mp.features as { blockGroupTree: boolean }).blockGroupTree = true;
  mp.sb.compat_ro_flags |= CompatRo.BLOCK_GROUP_TREE;
  mp.trans.commit();
  device.close();
}
