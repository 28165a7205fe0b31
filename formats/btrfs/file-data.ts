/** The data device as one file sees it: what cannot be read is told with the file and the position in it. */
import type { Device } from '../../core/device/device.ts';
import { FsError } from '../../core/errors.ts';
import { exactPos } from '../../core/positions.ts';
import { FileExtent } from './file-extent.ts';
import type { BtrfsInode } from './inode.ts';
import { ItemType, Key } from './structure/key.ts';
import { TreeCursor } from './tree/cursor.ts';

export class FileData implements Device {
  private readonly ip: BtrfsInode;

  constructor(ip: BtrfsInode) {
    this.ip = ip;
  }

  private get data(): Device {
    const { data, raw } = this.ip.mp.space;
    return this.ip.noDataSum ? raw : data;
  }

  get name(): string {
    return this.data.name;
  }

  get size(): number {
    return this.data.size;
  }

  get sectorSize(): number {
    return this.data.sectorSize;
  }

  get writable(): boolean {
    return this.data.writable;
  }

  enableWrites(): void {
    this.data.enableWrites?.();
  }

  read(addr: number, into: Uint8Array): void {
    try {
      this.data.read(addr, into);
    } catch (error) {
      throw error instanceof FsError ? this.located(error, addr) : error;
    }
  }

  write(addr: number, from: Uint8Array): void {
    this.data.write(addr, from);
  }

  writev(addr: number, from: readonly Uint8Array[]): void {
    this.data.writev(addr, from);
  }

  flush(): void {
    this.data.flush();
  }

  close(): void {
    // It belongs to the mount.
  }

  private located(error: FsError, addr: number): FsError {
    const { ip } = this;
    const pos = positionOf(ip, error.damage?.addr ?? addr);
    const where = `inode ${ip.ino} of tree ${ip.root.id}${pos < 0 ? '' : `, file offset ${exactPos(pos)}`}`;
    const detail = error.detail === undefined ? where : `${where}: ${error.detail}`;
    return new FsError(error.code, {
      detail,
      ...(error.damage === undefined ? {} : { damage: error.damage }),
      cause: error,
    });
  }
}

/** Where the file has the bytes at logical address `addr`; -1 if a look at all its extents does not tell. */
function positionOf(ip: BtrfsInode, addr: number): number {
  const extent = new FileExtent();
  const cursor = new TreeCursor(ip.root);
  try {
    cursor.search(new Key(ip.ino, ItemType.EXTENT_DATA, 0));
    for (; cursor.valid; cursor.next()) {
      if (cursor.key.type !== ItemType.EXTENT_DATA || cursor.key.objectid !== ip.ino) break;
      extent.read(cursor.key.pos, cursor.view, cursor.at);
      const into = addr - extent.bytenr;
      if (extent.inline || extent.bytenr === 0 || into < 0 || into >= extent.diskLength) continue;
      if (extent.compression !== 0) return extent.pos;
      if (into >= extent.offset && into < extent.offset + extent.length) return extent.pos + into - extent.offset;
    }
    return -1;
  } catch (error) {
    if (error instanceof FsError) return -1;
    throw error;
  } finally {
    cursor.close();
  }
}
