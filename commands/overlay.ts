/** commit, discard, undo: what becomes of the changes that --overlay and --dry-run keep away from the image. */
import type { LastingLayer } from '../core/device/overlay/open.ts';
import type { UndoableDevice } from '../core/device/undoable.ts';
import { command } from './command.ts';
import { CommandFailure } from './failure.ts';
import type { Session } from './session.ts';
import type { TextSink } from './text.ts';

interface Outcome {
  /** How many were written to the image, or forgotten. */
  readonly bytes: number;
  /** Open files that are no more. */
  readonly closed: readonly string[];
}

function lastingLayers(session: Session): readonly LastingLayer[] {
  const layers = session.mounts.layers(session.mount());
  if (layers.length === 0 || !layers.every(isLasting))
    throw new CommandFailure('changes go to no overlay: see --overlay');
  return layers as readonly LastingLayer[];
}

const isLasting = (layer: UndoableDevice): layer is LastingLayer => 'commit' in layer;

function ending(session: Session, abandon: boolean, work: (layer: LastingLayer) => number): Outcome {
  const layers = lastingLayers(session);
  let bytes = 0;
  const closed = session.remount(abandon, () => {
    for (const layer of layers) bytes += work(layer);
  });
  marks.delete(session.mounts.layers(session.mount()));
  return { bytes, closed };
}

function writeClosed(closed: readonly string[], out: TextSink): void {
  for (const name of closed) out.write(`${name} is not there any more: closed\n`);
}

export const commit = command({
  name: 'commit',
  count: [0, 0],
  about: 'write the changes of the overlay to the image',
  help: 'What --overlay collected goes to the image, and the overlay is empty again.\nOpen files stay open.',
  needs: 'image',
  once: true,
  run: (session): Outcome => ending(session, false, (layer) => layer.commit()),
  text({ bytes, closed }, out) {
    out.write(`${bytes} bytes written to the image\n`);
    writeClosed(closed, out);
  },
});

export const discard = command({
  name: 'discard',
  count: [0, 0],
  about: 'forget the changes of the overlay',
  help: 'What --overlay collected is forgotten, its file removed: the image is shown as it is.',
  needs: 'image',
  once: true,
  run: (session): Outcome => ending(session, true, (layer) => layer.discard()),
  text({ bytes, closed }, out) {
    out.write(`${bytes} bytes discarded\n`);
    writeClosed(closed, out);
  },
});

/** A state to go back to: a mark in every layer, and the command that came after it. */
interface Mark {
  readonly line: string;
  readonly places: readonly number[];
}

const marks = new WeakMap<readonly UndoableDevice[], Mark[]>();

function marksOf(layers: readonly UndoableDevice[]): Mark[] {
  let list = marks.get(layers);
  if (list === undefined) {
    list = [];
    marks.set(layers, list);
  }
  return list;
}

/**
 * Runs a line so that undo can take it back: what it changed is written to the layers and marked. Without layers it
 * just runs. @throws FsError when that cannot be written
 */
export function remembering(session: Session, line: string, run: () => void): void {
  const mount = session.openedMount();
  const layers = mount === null ? [] : session.mounts.layers(mount);
  if (layers.length === 0) {
    run();
    return;
  }
  const before = layers.map((layer) => layer.snapshot());
  const list = marksOf(layers);
  const depth = list.length;
  run();
  // undo, commit and discard have said themselves what is marked.
  if (list.length !== depth || marks.get(layers) !== list || session.ended) return;
  session.openedMount()?.fs.sync();
  const changed = layers.some((layer, i) => layer.snapshot() !== before[i]);
  if (changed) list.push({ line, places: before });
}

interface Undone {
  /** The command that was taken back. */
  readonly line: string;
  /** Open files that are no more. */
  readonly closed: readonly string[];
}

export const undo = command({
  name: 'undo',
  count: [0, 0],
  about: 'take back the last command that changed something',
  help: 'At the prompt, with --overlay or --dry-run: the image is as it was before that command.\nCan be repeated.',
  needs: 'image',
  once: true,
  run(session): Undone {
    const layers = session.mounts.layers(session.mount());
    if (layers.length === 0) throw new CommandFailure('there is no going back without --overlay or --dry-run');
    const mark = marksOf(layers).pop();
    if (mark === undefined) throw new CommandFailure('nothing to undo');
    const closed = session.remount(true, () => {
      for (const [i, layer] of layers.entries()) layer.rollback(mark.places[i] as number);
    });
    return { line: mark.line, closed };
  },
  text({ line, closed }, out) {
    out.write(`undone: ${line}\n`);
    writeClosed(closed, out);
  },
});
