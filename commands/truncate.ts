import { command } from './command.ts';

/** truncate: sets the size of the open file. */
export const truncate = command({
  name: 'truncate',
  alias: 't',
  count: [1, 1],
  operands: 'off',
  about: 'set the size of the open file',
  plain: true,
  call: 'ftruncate',
  run(session, { operands }): undefined {
    session.file().truncate(session.position(operands[0] as string, 'truncate argument'));
  },
});
