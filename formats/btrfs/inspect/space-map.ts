/** The space of a btrfs image, by chunk, at logical addresses: those that extents are told with. */
import type { SpaceBand, SpaceMap, SpaceRun } from '../../../core/vfs/space-map.ts';
import type { BtrfsMount } from '../mount.ts';
import { groupText } from './flag-text.ts';
import { extentsIn } from './places.ts';

export function btrfsSpaceMap(mp: BtrfsMount): SpaceMap {
  const chunks = [...mp.space.chunks].sort((a, b) => a.logical - b.logical);
  const bands = chunks.map(
    ({ logical, length, type }): SpaceBand => ({ name: `${groupText(type)} ${logical}`, addr: logical, length }),
  );
  return {
    bands,
    runs: (visit) => runs(mp, bands, visit),
    sharers: (ino, addr, length) => sharers(mp, ino, addr, length),
  };
}

function runs(mp: BtrfsMount, bands: readonly SpaceBand[], visit: (run: SpaceRun) => boolean): void {
  for (const { addr, length } of bands) {
    const end = addr + length;
    let at = addr;
    for (const extent of extentsIn(mp, addr, length)) {
      const start = Math.max(at, extent.bytenr);
      const stop = Math.min(end, extent.bytenr + extent.length);
      if (start > at && !visit({ addr: at, length: start - at, use: 'free', owner: '' })) return;
      const use = extent.metadata ? 'metadata' : 'data';
      if (stop > start && !visit({ addr: start, length: stop - start, use, owner: '' })) return;
      at = Math.max(at, stop);
    }
    if (at < end && !visit({ addr: at, length: end - at, use: 'free', owner: '' })) return;
  }
}

/** Files of any subvolume: a number may mean another file in another one, and then the file itself is left out too. */
function sharers(mp: BtrfsMount, ino: number, addr: number, length: number): number[] {
  const found = new Set<number>();
  for (const extent of extentsIn(mp, addr, length)) {
    if (extent.metadata) continue;
    for (const ref of mp.refs.filesOf(extent.bytenr)) if (ref.ino !== ino) found.add(ref.ino);
  }
  return [...found].sort((a, b) => a - b);
}
