/** The images that the campaigns of the second kernel are about, by mkfs.xfs's options. */
import { closeSync, ftruncateSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { copyImage, must } from '../harness/kernel.ts';

export interface Kind {
  readonly name: string;
  readonly args: string;
  /** Bytes of the realtime device; absent: none. */
  readonly realtime?: number;
}

const MIB = 2 ** 20;

export const KINDS: Readonly<Record<'realtime' | 'quota' | 'v4', readonly Kind[]>> = {
  realtime: [
    { name: 'v5, 16k extents', args: '-m reflink=0 -r extsize=16k', realtime: 300 * MIB },
    { name: 'v5, 4k extents', args: '-m reflink=0 -r extsize=4k', realtime: 160 * MIB },
    { name: 'v5, 28k extents', args: '-m reflink=0,bigtime=0 -r extsize=28k', realtime: 100 * MIB },
    { name: 'v5 1k blocks, 64k extents', args: '-b size=1024 -m reflink=0 -r extsize=64k', realtime: 90 * MIB },
    { name: 'v5, 4k extents, small', args: '-m reflink=0 -r extsize=4k', realtime: 2 * MIB },
    { name: 'v4, 16k extents', args: '-m crc=0 -r extsize=16k', realtime: 300 * MIB },
    { name: 'v4 1k blocks, 12k extents', args: '-b size=1024 -m crc=0 -r extsize=12k', realtime: 50 * MIB },
  ],
  quota: [
    { name: 'v5', args: '-m reflink=1' },
    { name: 'v5 rmapbt, 1k blocks', args: '-b size=1024 -m rmapbt=1' },
    { name: 'v4', args: '-m crc=0' },
    { name: 'v5 with realtime', args: '-m reflink=0 -r extsize=16k', realtime: 100 * MIB },
    { name: 'v5 bigtime=0', args: '-m bigtime=0,finobt=0' },
  ],
  v4: [
    { name: 'v4', args: '-m crc=0' },
    { name: 'v4 finobt=0 ftype=0', args: '-m crc=0,finobt=0 -n ftype=0' },
    { name: 'v4 1k blocks', args: '-m crc=0 -b size=1024' },
    { name: 'v4 without lazy counters', args: '-m crc=0 -i attr=1,projid32bit=0 -l lazy-count=0,version=1' },
    { name: 'v4 512 blocks, 8k directories', args: '-m crc=0 -b size=512 -n size=8192' },
    { name: 'v4 large inodes', args: '-m crc=0 -i size=2048 -l sunit=8' },
  ],
};

/** The images of a kind: data device, and where it has one realtime device. */
export function makeKind(dir: string, kind: Kind): string[] {
  const images = [sparse(join(dir, 'made.img'), 310 * MIB)];
  const args = kind.args.split(' ');
  if (kind.realtime !== undefined) {
    images.push(sparse(join(dir, 'made.rt'), kind.realtime));
    const at = args.indexOf('-r') + 1;
    args[at] = `rtdev=${images[1]},${args[at]}`;
  }
  must('mkfs.xfs', '-q', '-f', ...args, images[0] as string);
  const copies = images.map((image) => copyImage(image, image.replace('made', 'base')));
  must('rm', ...images);
  return copies;
}

function sparse(path: string, bytes: number): string {
  const fd = openSync(path, 'w');
  ftruncateSync(fd, bytes);
  closeSync(fd);
  return path;
}

/** Bytes of a block. */
export function blockSizeOf({ args }: Kind): number {
  return Number(/-b size=(\d+)/.exec(args)?.[1] ?? 4096);
}

/** Bash's word for mounting images at /mnt/x; `options` as of mount -o. What is read ahead is what disks get. */
export function mountWords([data, realtime]: readonly string[], options = 'nouuid'): string {
  const ahead = 'for f in /sys/block/loop*/queue/read_ahead_kb; do echo 2560 > $f; done';
  if (realtime === undefined) return `mount -t xfs -o loop,${options} ${data} /mnt/x && ${ahead}`;
  const device = `rt=$(losetup -f --show ${realtime})`;
  return `${device} && mount -t xfs -o loop,${options},rtdev=$rt ${data} /mnt/x && ${ahead}`;
}

/** Bash's words for ending that. */
export function unmountWords(images: readonly string[]): string {
  return `umount /mnt/x${images.length > 1 ? '; losetup -d $rt' : ''}`;
}

/** Options of fsio for images. */
export function fsioOptions(images: readonly string[]): string[] {
  return images.slice(1).flatMap((image) => ['--device', image]);
}
