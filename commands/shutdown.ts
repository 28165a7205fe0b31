/**
 * shutdown, freeze, thaw, resblks, inject: what only a mounted file system has, as far as it means something to a
 * script on an image. shutdown leaves the image as a crash would.
 */
import { FsError } from '../core/errors.ts';
import type { Filesystem } from '../core/vfs/filesystem.ts';
import { command } from './command.ts';
import { CommandFailure, perror } from './failure.ts';
import type { OpenFile } from './open-file.ts';
import type { Session } from './session.ts';

export const shutdown = command({
  name: 'shutdown',
  survives: true,
  count: [0, 1],
  operands: '[-f]',
  about: 'stop using the image as a crash would: the log stays dirty',
  help: `Nothing more is written, and every later command fails. What was not made durable is lost; with -f what the log
gathered so far is written to it first.`,
  options: { f: { about: 'write the log first' } },
  once: true,
  expert: true,
  run(session, { options }): undefined {
    const { fs } = session.mount();
    if (fs.shutdown === undefined) throw perror('XFS_IOC_GOINGDOWN', new FsError('ENOTTY'));
    if (session.readOnly) throw perror('XFS_IOC_GOINGDOWN', new FsError('EROFS'));
    fs.shutdown(options.f);
  },
});

/** What was frozen and not thawed again: nothing here cares but the two words. */
const frozen = new WeakSet<Filesystem>();
const BUSY = new FsError('EBUSY');

export const freeze = command({
  name: 'freeze',
  count: [0, 0],
  about: 'make everything durable; nobody else could change the image anyway',
  once: true,
  expert: true,
  run(session): undefined {
    const { inode, name } = fileOf(session, 'freeze filesystem at');
    if (frozen.has(inode.fs)) throw perror(`${session.program}: cannot freeze filesystem at ${name}`, BUSY);
    frozen.add(inode.fs);
    inode.fs.sync();
  },
});

export const thaw = command({
  name: 'thaw',
  count: [0, 0],
  about: 'accepted: the end of freeze',
  once: true,
  expert: true,
  run(session): undefined {
    const { inode, name } = fileOf(session, 'unfreeze filesystem mounted at');
    if (frozen.delete(inode.fs)) return;
    throw perror(`${session.program}: cannot unfreeze filesystem mounted at ${name}`, new FsError('EINVAL'));
  },
});

/** The open file, on whose file system something shall be done. @throws CommandFailure EBADF */
function fileOf(session: Session, what: string): OpenFile {
  const file = session.file();
  if (!file.unusable) return file;
  throw perror(`${session.program}: cannot ${what} ${file.name}`, new FsError('EBADF'));
}

/** Most blocks that Linux keeps back by itself. */
const MOST_RESERVED = 8192;

export const resblks = command({
  name: 'resblks',
  count: [0, 1],
  operands: '[blocks]',
  about: 'blocks that Linux keeps back while an image is mounted; setting them is accepted',
  plain: true,
  once: true,
  expert: true,
  xfsOnly: true,
  run(session, { operands }): { reserved: number; available: number } {
    const [word] = operands;
    const wanted = word === undefined ? null : session.size(word, 'argument');
    const file = session.file();
    if (file.unusable) throw perror(`XFS_IOC_${word === undefined ? 'GET' : 'SET'}_RESBLKS`, new FsError('EBADF'));
    const { fs } = file.inode;
    const { geometry, blocks, bavail } = fs.statfs();
    const usual = Math.min(MOST_RESERVED, Math.floor((new Map(geometry).get('datablocks') ?? blocks) / 20));
    if (wanted !== null) reservations.set(fs, wanted);
    const reserved = reservations.get(fs) ?? usual;
    return { reserved, available: Math.min(reserved, bavail + usual) };
  },
  text: ({ reserved, available }, out) =>
    out.write(`reserved blocks = ${reserved}\navailable reserved blocks = ${available}\n`),
});

/** What resblks was told: like the usual reserve, it holds nothing back here. */
const reservations = new WeakMap<Filesystem, number>();

/** The errors that Linux can be told to make, by the names that xfs_io has for them. */
const TAGS = `noerror iflush1 iflush2 iflush3 iflush4 iflush5 iflush6 dareadbuf btree_chk_lblk btree_chk_sblk readagf
readagi itobp iunlink iunlinkrm dirinovalid bulkstat logiodone stratread stratcmpl diowrite bmapifmt free_extent
rmap_finish_one refcount_continue_update refcount_finish_one bmap_finish_one ag_resv_critical drop_writes log_bad_crc
log_item_pin buf_lru_ref force_repair bad_summary iunlink_fallback buf_ioerror reduce_max_iextents
bmap_alloc_minlen_extent ag_resv_fail larp da_leaf_split attr_leaf_to_node`.split(/\s/);
const TAGS_IN_LINE = 5;

export const inject = command({
  name: 'inject',
  operands: '[tag...]',
  about: 'errors to be injected: accepted, and made by nobody, as in a kernel that is not built for debugging',
  plain: true,
  once: true,
  expert: true,
  xfsOnly: true,
  run(_session, { operands }): { tags: readonly string[] } | undefined {
    if (operands.length === 0) return { tags: TAGS };
    // For each that is unknown, xfs_io names the first.
    const complaints = operands.filter((tag) => !TAGS.includes(tag)).map(() => `no such tag -- ${operands[0]}`);
    if (complaints.length > 0) throw new CommandFailure(complaints.join('\n'), { silent: true });
    return undefined;
  },
  text({ tags }, out) {
    const lines: string[] = [];
    for (let i = 0; i < tags.length; i += TAGS_IN_LINE) lines.push(tags.slice(i, i + TAGS_IN_LINE).join(', '));
    out.write(`tags: [ ${lines.join(', \n\t')} ]\n`);
  },
});
