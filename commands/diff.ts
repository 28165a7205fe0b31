/** diff: what differs on disk, structure by structure; and how such differences read. */
import type { StructureChange } from '../core/vfs/changes.ts';
import { command } from './command.ts';
import { CommandFailure } from './failure.ts';
import type { TextSink } from './text.ts';

/** One difference as a line: `agf 0: freeblks 126112 → 126096`. */
export function writeChange(change: StructureChange, out: TextSink): void {
  const { structure, field, record } = change;
  const named = field === undefined ? '' : `${field} `;
  switch (change.change) {
    case 'field':
      out.write(`${structure}: ${named}${change.from ?? '(none)'} → ${change.to ?? '(none)'}\n`);
      return;
    case 'add':
    case 'remove': {
      const sign = change.change === 'add' ? '+' : '-';
      out.write(record === undefined ? `${sign} ${structure}\n` : `${structure}: ${named}${sign} ${record}\n`);
      return;
    }
    default: {
      const { start = 0, length = 0 } = change;
      out.write(`${structure}: bytes ${start}..${start + length - 1}\n`);
    }
  }
}

export const diff = command({
  name: 'diff',
  count: [0, 1],
  operands: '[image]',
  about: 'what differs on disk from another image, or has changed in the overlay',
  help:
    'Structure by structure and field by field, with the names that xfs_db and dump-tree print.\n' +
    'Without an image: what --overlay or --dry-run keeps from the image so far.\n' +
    'Left out are checksums and log positions, which follow from the rest.',
  needs: 'image',
  once: true,
  completes: 'host',
  *run(session, { operands: [image] }): Generator<StructureChange> {
    if (image !== undefined) {
      session.mount().fs.sync();
      yield* session.mounts.differences(session.mount(), image);
      return;
    }
    if (session.mounts.layers(session.mount()).length === 0)
      throw new CommandFailure('from which image? without --overlay and --dry-run the changes are in the image');
    session.remount(false, () => {});
    yield* session.mounts.changes(session.mount());
  },
  text: writeChange,
});
