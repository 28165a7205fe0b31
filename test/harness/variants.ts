/** The kinds of XFS that mkfs makes and Linux mounts, on which the judges' tests run. */

export interface Variant {
  readonly name: string;
  readonly args: readonly string[];
  readonly bytes?: number;
}

const words = (text: string) => text.split(' ').filter((word) => word !== '');
const variant = (name: string, args: string, bytes?: number): Variant =>
  bytes === undefined ? { name, args: words(args) } : { name, args: words(args), bytes };

/** The first three are those of the shared images. */
export const VARIANTS: readonly Variant[] = [
  variant('default', ''),
  variant('rmap-1k', '-b size=1024 -m rmapbt=1 -i nrext64=1'),
  variant('64k', '-b size=65536 -l size=64m', 512 * 2 ** 20),
  variant('rmap', '-m rmapbt=1'),
  variant('no-reflink', '-m reflink=0'),
  variant('plain', '-m finobt=0,reflink=0,rmapbt=0,bigtime=0,inobtcount=0 -i sparse=0'),
  variant('2k', '-b size=2048 -i size=1024'),
  variant('16k', '-b size=16384 -m rmapbt=1'),
  variant('large-inodes', '-i size=2048,sparse=0,nrext64=1 -m finobt=0'),
  variant('sector-4k', '-s size=4096 -n size=16384'),
];

/** Whether files can share blocks there. */
export function hasReflink(variant: Variant): boolean {
  return !variant.args.join(' ').includes('reflink=0');
}
