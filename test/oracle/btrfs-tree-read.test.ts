/**
 * Every leaf of every tree passes the verifier, and the cursor meets the items that `btrfs inspect-internal dump-tree`
 * prints, tree by tree: on the shared images, and on all kinds of file systems after Linux has used them.
 */
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import type { Device } from '../../core/device/device.ts';
import { openDevice } from '../../core/device/open.ts';
import { type BtrfsMount, openMount } from '../../formats/btrfs/mount.ts';
import { ItemType, Key } from '../../formats/btrfs/structure/key.ts';
import { TreeCursor } from '../../formats/btrfs/tree/cursor.ts';
import type { TreeRoot } from '../../formats/btrfs/tree/root.ts';
import { type BtrfsVariant, makeBtrfs, missingBtrfsJudges, withBtrfs } from '../harness/btrfs-judge.ts';
import { BTRFS_IMAGES, unpackImage } from '../harness/images.ts';
import { must } from '../harness/kernel.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';

// time limit: 400 s

const reading = gatedSuite('btrfs trees against dump-tree', missingBtrfsJudges());

const OPTIONS = {
  readOnly: true,
  norecovery: true,
  now: () => ({ seconds: 0, nanoseconds: 0 }),
  owner: { uid: 0, gid: 0, umask: 0 },
  random: () => 0,
};

/** Items of every tree as dump-tree prints them, and how many trees it were. */
function dumped(path: string): Map<string, number> {
  const counts = new Map<string, number>();
  let tree = '';
  for (const line of must('btrfs', 'inspect-internal', 'dump-tree', path).split('\n')) {
    const block = /^(?:leaf|node) \d+ .*owner (\S+)$/.exec(line);
    if (block !== null) tree = block[1] as string;
    else if (/^\titem \d+ key /.test(line)) counts.set(tree, (counts.get(tree) ?? 0) + 1);
  }
  return counts;
}

function walk(root: TreeRoot): number {
  const cursor = new TreeCursor(root);
  let count = 0;
  for (let more = cursor.first(); more; more = cursor.next()) count++;
  let back = 0;
  cursor.searchBack(new Key(-1, 255, -1));
  for (let more = cursor.valid; more; more = cursor.prev()) back++;
  assert.is(back, count, `tree ${root.id} backwards`);
  cursor.close();
  return count;
}

function allRoots(mp: BtrfsMount): TreeRoot[] {
  const ids = new Set<number>();
  const cursor = new TreeCursor(mp.treeRoot);
  for (let more = cursor.first(); more; more = cursor.next()) {
    if (cursor.key.type === ItemType.ROOT_ITEM) ids.add(cursor.key.objectid);
  }
  return [mp.treeRoot, mp.chunkRoot, ...[...ids].map((id) => mp.root(id))];
}

/** The total: dump-tree names blocks by their owner, which for shared ones is not the tree they were met in. */
function compare(path: string, devices: Device[] = []): void {
  const mp = openMount(openDevice(path), { ...OPTIONS, devices });
  let ours = 0;
  for (const root of allRoots(mp)) ours += walk(root);
  let theirs = 0;
  for (const count of dumped(path).values()) theirs += count;
  assert.ok(ours > 30);
  assert.is(ours, theirs, 'items of all trees');
  assert.equal(mp.blocks.healed, []);
}

for (const name of [...BTRFS_IMAGES, 'btrfs-log-tree'] as const) {
  reading(name, () => {
    const path = join(scratch(), `${name}.img`);
    unpackImage(name, path);
    // dump-tree walks the log too.
    if (name === 'btrfs-log-tree') return void openMount(openDevice(path), { ...OPTIONS, devices: [] });
    compare(path);
  });
}

/** A bit of everything that makes items. */
const USE = `
set -e
for d in a b c; do mkdir -p $d/sub; for i in $(seq 1 120); do head -c $((i * 97)) /dev/urandom > $d/file-with-a-rather-long-name-$i; done; done
dd if=/dev/zero of=big bs=1M count=8 status=none; sync
for i in $(seq 1 40); do dd if=/dev/urandom of=big bs=4k count=1 seek=$((i * 37)) conv=notrunc status=none; done
cp --reflink=always big big2 || cp big big2
fallocate -l 3M prealloc; fallocate -p -o 8192 -l 65536 prealloc
truncate -s 10M sparse; echo end >> sparse
ln -s target link; mkfifo pipe; mknod null c 1 3
for i in $(seq 1 60); do ln big a/sub/hard-link-with-a-long-name-for-extended-references-$i; done
for i in $(seq 1 12); do setfattr -n user.attr$i -v "$(head -c $((i * 90)) /dev/zero | tr '\\0' x)" big; done
btrfs subvolume create sv > /dev/null; cp -r a sv/
btrfs subvolume snapshot sv snap > /dev/null; btrfs subvolume snapshot -r . whole > /dev/null
rm -r a/sub b; dd if=/dev/urandom of=sv/a/new bs=64k count=4 status=none; sync
btrfs subvolume delete whole > /dev/null
touch late; sync
`;

const MIB = 2 ** 20;
const VARIANTS: readonly BtrfsVariant[] = [
  { name: 'default', args: [] },
  { name: 'old', args: ['-n', '4096', '-O', '^no-holes,^extref,^skinny-metadata', '-R', '^free-space-tree'] },
  { name: 'blake2, nodes of 64 KiB', args: ['--csum', 'blake2', '-n', '65536'] },
  { name: 'xxhash, mixed', args: ['--csum', 'xxhash', '--mixed'], bytes: 200 * MIB },
  { name: 'sha256, dup', args: ['--csum', 'sha256', '-d', 'dup', '-n', '8192'] },
  { name: 'nodes of 32 KiB', args: ['-n', '32768'] },
  { name: 'quotas', args: ['-n', '4096'], setup: [['btrfs', 'quota', 'enable', '{}']] },
];

for (const variant of VARIANTS) {
  reading(`${variant.name}, used by Linux`, () => {
    const paths = makeBtrfs(scratch(), { ...variant, bytes: variant.bytes ?? 300 * MIB });
    withBtrfs(paths, (dir) => must('sh', '-c', `cd ${dir} && ${USE}`));
    compare(paths[0] as string);
  });
}

reading('a metadata uuid of its own', () => {
  const paths = makeBtrfs(scratch(), { name: 'metadata uuid', args: ['-n', '4096'], bytes: 200 * MIB });
  withBtrfs(paths, (dir) => must('sh', '-c', `cd ${dir} && mkdir -p x && cp -r /etc/default x/`));
  must('btrfstune', '-m', paths[0] as string);
  compare(paths[0] as string);
});

reading.run();
