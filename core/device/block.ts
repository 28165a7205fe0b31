/**
 * A block device of the host. stat(2) says size 0 for one, so the size comes from sysfs, or from reading where
 * there is no sysfs. Opened with O_EXCL: Linux then refuses what is mounted or claimed by another driver. That
 * descriptor keeps the claim; writing needs a second one, which claims nothing.
 */
import { constants, fstatSync, readFileSync, readSync } from 'node:fs';
import { FsError } from '../errors.ts';
import { deviceNumber } from './device-number.ts';
import { FileDevice } from './file.ts';

export class BlockDevice extends FileDevice {
  protected override readonly claimsByOpening = true;

  protected override openFlags(mode: 'r' | 'r+'): number {
    return mode === 'r' ? constants.O_RDONLY | constants.O_EXCL : constants.O_RDWR;
  }

  protected override geometry(fd: number): { size: number; sectorSize: number } {
    const sysfs = `/sys/dev/block/${deviceNumber(fstatSync(fd).rdev)}`;
    const sectors = readNumber(`${sysfs}/size`);
    if (sectors === null) return { size: probeSize(fd), sectorSize: 512 };
    const logical =
      readNumber(`${sysfs}/queue/logical_block_size`) ?? readNumber(`${sysfs}/../queue/logical_block_size`);
    return { size: sectors * 512, sectorSize: logical ?? 512 };
  }

  override enableWrites(): void {
    try {
      super.enableWrites();
    } catch (error) {
      // A device that is set read-only answers EACCES to open(2) even for root.
      if (error instanceof FsError && error.code === 'EACCES') {
        throw new FsError('EROFS', { path: this.name, detail: 'the device is read-only', cause: error });
      }
      throw error;
    }
  }
}

function readNumber(path: string): number | null {
  try {
    const value = Number(readFileSync(path, 'latin1').trim());
    return Number.isSafeInteger(value) ? value : null;
  } catch {
    return null;
  }
}

/** Finds the end by reading one sector: doubling, then halving the distance. At most about 90 reads. */
function probeSize(fd: number): number {
  const sector = Buffer.alloc(512);
  const readable = (index: number): boolean => {
    try {
      return readSync(fd, sector, 0, 512, index * 512) === 512;
    } catch {
      return false;
    }
  };
  if (!readable(0)) return 0;
  let good = 0;
  let bad = 1;
  while (bad < 2 ** 44 && readable(bad)) {
    good = bad;
    bad *= 2;
  }
  while (bad - good > 1) {
    const middle = Math.floor((good + bad) / 2);
    if (readable(middle)) good = middle;
    else bad = middle;
  }
  return bad * 512;
}
