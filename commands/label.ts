import { FsError } from '../core/errors.ts';
import { command, usage } from './command.ts';

/** label: the name of the file system (xfs_io's io/label.c). */
export const label = command({
  name: 'label',
  mildUsage: true,
  count: [0, 3],
  about: "print or set the file system's label",
  options: {
    c: { about: 'clear it' },
    s: { value: 'label', kind: 'text', about: 'set it' },
  },
  needs: 'image',
  perFile: true,
  run(session, args): { label: string } {
    const { options, operands } = args;
    if (operands.length > 0) throw usage(label);
    const { fs } = session.mount();
    if (session.current?.unusable) throw new FsError('EBADF');
    const wanted = args.last('cs') === 'c' ? '' : options.s;
    if (fs.label === undefined || fs.setLabel === undefined) throw new FsError('EOPNOTSUPP');
    if (wanted === undefined) return { label: fs.label() };
    if (session.readOnly || fs.readOnly) throw new FsError('EROFS');
    fs.setLabel(wanted);
    return { label: wanted };
  },
  text: ({ label: name }, out) => out.write(`label = "${name}"\n`),
});
