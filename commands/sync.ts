/** fsync, fdatasync, sync, syncfs: what makes changes durable. */
import { command } from './command.ts';

export const fsync = command({
  name: 'fsync',
  alias: 's',
  count: [0, 0],
  about: 'write the file back and make it durable',
  run(session): undefined {
    session.file().fsync(false);
  },
});

export const fdatasync = command({
  name: 'fdatasync',
  alias: 'ds',
  count: [0, 0],
  about: "write the file's data back and make it durable",
  run(session): undefined {
    session.file().fsync(true);
  },
});

export const sync = command({
  name: 'sync',
  count: [0, 0],
  needs: 'nothing',
  once: true,
  about: 'make everything durable',
  run(session): undefined {
    for (const mount of session.mounts) mount.fs.sync();
  },
});

export const syncfs = command({
  name: 'syncfs',
  count: [0, 0],
  about: "make the open file's whole image durable",
  run(session): undefined {
    session.mount().fs.sync();
  },
});
