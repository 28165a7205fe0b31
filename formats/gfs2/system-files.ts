/**
 * The system directory, which no path of users leads to: the index of resource groups, journals, and for each journal
 * what its node has changed and not told the others yet (kernel: init_inodes, init_per_node, gfs2_jindex_hold).
 *
 *     master/  jindex/journal0 …   per_node/inum_range0 statfs_change0 quota_change0 …   inum  statfs  rindex  quota
 */
import { corrupt } from '../../core/errors.ts';
import { exactPos } from '../../core/positions.ts';
import { dirChild } from './dir/lookup.ts';
import type { Gfs2Inode } from './inode.ts';
import type { Gfs2Mount } from './mount.ts';
import { DINODE_SIZE } from './structure/dinode.ts';

/** More than any cluster has; damage could make the search for the last journal long. */
const MAX_JOURNALS = 4096;

export class SystemFiles {
  private readonly mp: Gfs2Mount;
  private found: readonly Gfs2Inode[] | null = null;

  constructor(mp: Gfs2Mount) {
    this.mp = mp;
  }

  /** The system directory itself. @throws FsError EUCLEAN, EIO */
  get master(): Gfs2Inode {
    const { master_addr, master_formal } = this.mp.sb;
    const dir = this.mp.iget(master_addr);
    if (dir.kind === 'dir' && dir.formal === master_formal) return dir;
    throw corrupt({ structure: `system directory ${master_addr}`, rule: 'another inode than the superblock says' });
  }

  /** A file or directory in the system directory. @throws FsError EUCLEAN damaged, or none of this name */
  file(name: string): Gfs2Inode {
    return this.in(this.master, name);
  }

  /** What node `jid` keeps of this kind, or null where the directory of such files has none. @throws FsError EUCLEAN */
  perNode(kind: 'inum_range' | 'statfs_change' | 'quota_change', jid: number): Gfs2Inode | null {
    return dirChild(this.file('per_node'), `${kind}${jid}`);
  }

  /** The journals, by number. @throws FsError EUCLEAN damaged, or none */
  get journals(): readonly Gfs2Inode[] {
    if (this.found !== null) return this.found;
    const index = this.file('jindex');
    const journals: Gfs2Inode[] = [];
    for (let jid = 0; jid < MAX_JOURNALS; jid++) {
      const journal = dirChild(index, `journal${jid}`);
      if (journal === null) break;
      journals.push(journal);
    }
    if (journals.length === 0) throw corrupt({ structure: `journal index ${index.ino}`, rule: 'no journals' });
    this.found = journals;
    return journals;
  }

  /** A view of the first `length` bytes of a file whose data lies in its dinode. @throws FsError EUCLEAN */
  stuffed(file: Gfs2Inode, length: number): { readonly view: DataView; readonly at: number } {
    if (file.height === 0 && file.size >= length) return { view: file.view, at: DINODE_SIZE };
    throw corrupt({
      structure: `system file ${file.ino}`,
      field: 'di_size',
      value: String(exactPos(file.size)),
      rule: `not ${length} bytes in the dinode`,
    });
  }

  private in(dir: Gfs2Inode, name: string): Gfs2Inode {
    const file = dirChild(dir, name);
    if (file !== null) return file;
    throw corrupt({ structure: `system directory ${dir.ino}`, field: name, rule: 'not there' });
  }
}
