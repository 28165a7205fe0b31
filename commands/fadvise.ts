import { command, usage } from './command.ts';

/** fadvise: advice on how the open file will be read; nothing here depends on it. */
export const fadvise = command({
  name: 'fadvise',
  operands: '[off len]',
  about: 'advise on how the file will be read; accepted',
  options: {
    d: { about: 'not again soon' },
    n: { about: 'no reuse' },
    r: { about: 'at random' },
    s: { about: 'in order' },
    w: { about: 'soon' },
  },
  run(session, { operands }): undefined {
    if (operands.length !== 0 && operands.length !== 2) throw usage(fadvise);
    for (const [i, word] of operands.entries()) session.size(word, i === 0 ? 'offset argument' : 'length argument');
  },
});
