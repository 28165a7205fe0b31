/**
 * The counters of extents in an inode: an attribute fork that passes 32767 is refused (EFBIG) on an image with narrow
 * counters, and an inode with narrow counters is widened where the image may have wide ones. What xfs_repair says of
 * the outcome counts.
 */
import * as assert from 'uvu/assert';
import { FsError } from '../../core/errors.ts';
import { allocExtent } from '../../formats/xfs/alloc/alloc.ts';
import { freeExtent } from '../../formats/xfs/alloc/free.ts';
import { mapExtent } from '../../formats/xfs/bmap-edit.ts';
import { Extent } from '../../formats/xfs/extent.ts';
import type { XfsFilesystem } from '../../formats/xfs/filesystem.ts';
import type { XfsInode } from '../../formats/xfs/inode.ts';
import { hasLargeCounters, inodeFlags2, setFlags2 } from '../../formats/xfs/inode-core.ts';
import { DiFlag2, Dinode, DinodeLarge } from '../../formats/xfs/structure/dinode.ts';
import { missingJudges, repairComplaints } from '../harness/kernel.ts';
import { Random } from '../harness/random.ts';
import { gatedSuite } from '../harness/suite.ts';
import { freshImage, openImage } from './xfs-fixture.ts';

const test = gatedSuite('xfs extent counts', missingJudges());
const NARROW_MOST = 32767;
/** Too long for a leaf of 1 KiB: each value has an extent of its own. */
const VALUE = new Uint8Array(900).fill(7);

/** Adds `count` extents of one block to the attribute fork, none next to another, far behind what attributes use. */
function addExtents(fs: XfsFilesystem, ip: XfsInode, count: number): void {
  const { mp } = fs;
  const extent = new Extent();
  for (let done = 0; done < count; ) {
    mp.transact('extents', (tp) => {
      const run = allocExtent(tp, { minLength: 2, maxLength: 512, owner: 'skip', data: true });
      if (run === null) throw new FsError('ENOSPC');
      const pieces = Math.min(count - done, Math.floor(run.length / 2));
      for (let i = 0; i < pieces; i++) {
        mapExtent(tp, ip, 'attr', extent.set(1_000_000 + 2 * (done + i), run.fsb + 2 * i, 1, false));
        freeExtent(tp, run.fsb + 2 * i + 1, 1, 'skip');
      }
      for (let i = 2 * pieces; i < run.length; i++) freeExtent(tp, run.fsb + i, 1, 'skip');
      done += pieces;
    });
  }
}

/** Sets attributes until one is refused or `count` are there; answers how many. Another file takes the blocks between. */
function fill(ip: XfsInode, count: number): number {
  const other = ip.fs.root().create('other', 0o644);
  for (let i = 0; i < count; i++) {
    other.setXattr('user', `b${i}`, VALUE);
    try {
      ip.setXattr('user', `a${i}`, VALUE);
    } catch (error) {
      if (error instanceof FsError && error.code === 'EFBIG') return i;
      throw error;
    }
  }
  return count;
}

/** The inode as an older Linux made it, before the image was upgraded. */
function narrow(fs: XfsFilesystem, ip: XfsInode): void {
  fs.mp.transact('narrow', (tp) => {
    tp.modifyInode(ip);
    const { view } = ip.buf;
    const attrs = DinodeLarge.get.big_anextents(view, ip.base);
    DinodeLarge.set.big_nextents(view, ip.base, 0);
    DinodeLarge.set.big_anextents(view, ip.base, 0);
    Dinode.set.anextents(view, ip.base, attrs);
    setFlags2(ip, inodeFlags2(ip) & ~DiFlag2.NREXT64);
  });
}

test('narrow counters end at 32767 extents', () => {
  const path = freshImage('-b size=1024 -i nrext64=0');
  const fs = openImage(path, new Random(1));
  const ip = fs.root().create('a', 0o644) as XfsInode;
  ip.setXattr('user', 'first', VALUE);
  addExtents(fs, ip, NARROW_MOST - 4 - ip.attrFork.nextents);
  const count = fill(ip, 100);
  assert.ok(count < 100, `${count} attributes`);
  assert.ok(ip.attrFork.nextents <= NARROW_MOST, `${ip.attrFork.nextents} extents`);
  // What was refused left nothing behind, and room can be made.
  assert.is(ip.getXattr('user', `a${count}`), null);
  ip.removeXattr('user', 'first');
  ip.setXattr('user', 'last', VALUE);
  fs.unmount();
  assert.equal(repairComplaints(path), []);
});

test('an inode of before the upgrade is widened', () => {
  const path = freshImage('-b size=1024 -i nrext64=1');
  const fs = openImage(path, new Random(1));
  const ip = fs.root().create('a', 0o644) as XfsInode;
  ip.setXattr('user', 'first', VALUE);
  narrow(fs, ip);
  addExtents(fs, ip, NARROW_MOST - 4 - ip.attrFork.nextents);
  assert.not(hasLargeCounters(ip));
  assert.is(fill(ip, 200), 200);
  assert.ok(hasLargeCounters(ip));
  assert.ok(ip.attrFork.nextents > NARROW_MOST, `${ip.attrFork.nextents} extents`);
  fs.unmount();
  assert.equal(repairComplaints(path), []);
});

test.run();
