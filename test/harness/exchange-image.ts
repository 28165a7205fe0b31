/** XFS images with exchange-range, which the installed mkfs cannot make and its xfs_repair refuses. */
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { crc32cSkipping } from '../../core/checksum.ts';

/** XFS_SB_FEAT_INCOMPAT_EXCHRANGE. */
const EXCHANGE = 0x40;
const INCOMPAT_AT = 216;
const CRC_AT = 224;

/** Says in the primary superblock that mappings may be exchanged, or takes that back for xfs_repair to look. */
export function sayExchange(image: string, on: boolean): void {
  const fd = openSync(image, 'r+');
  const sector = Buffer.alloc(512);
  readSync(fd, sector, 0, 512, 0);
  const bits = sector.readUInt32BE(INCOMPAT_AT);
  sector.writeUInt32BE(on ? bits | EXCHANGE : bits & ~EXCHANGE, INCOMPAT_AT);
  sector.writeUInt32LE(crc32cSkipping(sector, CRC_AT), CRC_AT);
  writeSync(fd, sector, 0, 512, 0);
  closeSync(fd);
}
