/** map: a picture of where a file, or the whole image, lies. */
import { writeFileSync } from 'node:fs';
import { hostError } from '../core/device/host-error.ts';
import { command } from './command.ts';
import { perror } from './failure.ts';
import { fileMap, imageMap } from './map/build.ts';
import { drawSvg, drawText } from './map/draw.ts';
import type { MapModel } from './map/model.ts';

interface Drawn {
  readonly model: MapModel;
  readonly columns: number;
}

export const map = command({
  name: 'map',
  count: [0, 3],
  operands: '[path]',
  about: 'a picture of the extents of a file, or of the whole image',
  help:
    'A file (or with an open file and no path, that one) is drawn against itself and against the disk: holes, data,\n' +
    'unwritten and shared extents (and with whom), compressed and inline ones. / is the whole image: free space,\n' +
    'metadata, inodes, files, by group. At the prompt: arrows move, + and - zoom, q leaves.',
  options: {
    svg: { value: 'file', kind: 'text', about: 'draw into this file of the host' },
    t: { about: 'print it, at the prompt too' },
  },
  needs: 'image',
  once: true,
  completes: 'path',
  run(session, { options, operands: [path] }): Drawn | undefined {
    const { image, fs } = session.mount();
    let model: MapModel;
    if (path === undefined && session.current !== null)
      model = fileMap(fs, session.current.inode, session.current.name);
    else if (path === undefined || path === '/') model = imageMap(fs, image);
    else model = fileMap(fs, session.lookup(path, { follow: true }), path);
    if (options.svg !== undefined) {
      try {
        writeFileSync(options.svg, drawSvg(model));
      } catch (error) {
        throw perror(options.svg, hostError(error, options.svg));
      }
      return undefined;
    }
    if (session.present !== null && !options.t) {
      session.present({ kind: 'map', model });
      return undefined;
    }
    return { model, columns: session.columns };
  },
  text: ({ model, columns }, out) => drawText(model, columns, out),
  json: ({ model }) => ({ command: 'map', ...model }),
});
