/**
 * filesystem du: what files have on the disk, and how much of it nothing else has, as btrfs filesystem du counts it.
 * Shared extents of one path that lie together count once in its sum of shared bytes.
 */
import { FiemapExtent, fiemap } from '../../../core/iomap/fiemap.ts';
import { POS_END } from '../../../core/positions.ts';
import { says, type WordContext } from '../../../core/vfs/word.ts';
import type { BtrfsInode } from '../inode.ts';
import { RangeSet } from '../space/ranges.ts';
import { sizeText, type Units } from './sizes.ts';

interface Usage {
  total: number;
  exclusive: number;
}

const SKIPPED = FiemapExtent.UNKNOWN | FiemapExtent.DELALLOC | FiemapExtent.DATA_INLINE;

/** One result a line: files and directories below each path, the path last. @throws FsError */
export function* diskUsage(context: WordContext, paths: readonly string[], units: Units, summaryOnly: boolean) {
  const row = (total: string, exclusive: string, shared: string, name: string): string =>
    `${total.padStart(10)}  ${exclusive.padStart(10)}  ${shared.padStart(10)}  ${name}`;
  yield says({ columns: ['total', 'exclusive', 'shared', 'path'] }, [
    row('Total', 'Exclusive', 'Set shared', 'Filename'),
  ]);
  for (const path of paths) {
    const walk = new Walk();
    for (const { usage, name, top } of walk.visit(context.lookup(path) as BtrfsInode, path, true)) {
      if (summaryOnly && !top) continue;
      const shared = top && walk.isDirectory ? walk.shared.bytes : null;
      const text = shared === null ? '-' : sizeText(shared, units);
      const line = row(sizeText(usage.total, units), sizeText(usage.exclusive, units), text, name);
      yield says({ path: name, ...usage, shared }, [line]);
    }
  }
}

class Walk {
  readonly shared = new RangeSet();
  isDirectory = false;
  private readonly seen = new Set<string>();

  *visit(ip: BtrfsInode, name: string, top: boolean): Generator<{ usage: Usage; name: string; top: boolean }> {
    if (top) this.isDirectory = ip.kind === 'dir';
    const identity = `${ip.root.id} ${ip.ino}`;
    if (this.seen.has(identity)) return;
    this.seen.add(identity);
    if (ip.kind === 'file') {
      yield { usage: this.count(ip), name, top };
      return;
    }
    if (ip.kind !== 'dir') return;
    const usage = { total: 0, exclusive: 0 };
    for (const entry of ip.entries()) {
      if (entry.name === '.' || entry.name === '..' || (entry.kind !== 'file' && entry.kind !== 'dir')) continue;
      const child = ip.child(entry.name) as BtrfsInode | null;
      if (child === null) continue;
      const path = `${name === '/' ? '' : name}/${entry.name}`;
      for (const found of this.visit(child, path, false)) {
        if (found.name === path) {
          usage.total += found.usage.total;
          usage.exclusive += found.usage.exclusive;
        }
        yield found;
      }
    }
    yield { usage, name, top };
  }

  private count(ip: BtrfsInode): Usage {
    const usage = { total: 0, exclusive: 0 };
    fiemap(ip, 0, POS_END, (_offset, place, length, flags) => {
      if ((flags & SKIPPED) !== 0) return true;
      usage.total += length;
      if ((flags & FiemapExtent.SHARED) === 0) usage.exclusive += length;
      else this.shareOnce(place, length);
      return true;
    });
    return usage;
  }

  private shareOnce(start: number, length: number): void {
    this.shared.cut(start, length, () => {});
    this.shared.add(start, length);
  }
}
