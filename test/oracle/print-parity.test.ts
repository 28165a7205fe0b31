// time limit: 200 s
/** Every kind of metadata block of the shared images, and inodes, printed as xfs_db prints them. */
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { openDevice } from '../../core/device/open.ts';
import type { XfsFilesystem } from '../../formats/xfs/filesystem.ts';
import { Inspector } from '../../formats/xfs/inspect/inspector.ts';
import { findBlocks } from '../fuzz/blocks.ts';
import { firstDifference } from '../harness/compare-output.ts';
import { fsioInside } from '../harness/fsio-inside.ts';
import { CLEAN_IMAGES, type ImageName, unpackImage } from '../harness/images.ts';
import { makeXfs, missingJudges, run } from '../harness/kernel.ts';
import { mountDevice } from '../harness/mount-device.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';

const test = gatedSuite('print as xfs_db prints', missingJudges());
const dir = scratch(true);
const ZONE = 'UTC';
process.env.TZ = ZONE;

/** xfs_db's type for a magic number: 32 bits at the start, or 16 bits behind the siblings. */
const TYPES: Readonly<Record<number, string>> = {
  1094857538: 'bnobt',
  1094857539: 'cntbt',
  1229013555: 'inobt',
  1179206195: 'finobt',
  1380794931: 'rmapbt',
  1379092035: 'refcntbt',
  1112359219: 'bmapbtd',
  1480868403: 'dir3',
  1480868915: 'dir3',
  1480869427: 'dir3',
  1480675917: 'attr3',
  16062: 'dir3',
  15857: 'dir3',
  15871: 'dir3',
  15342: 'attr3',
};
/** Blocks of one kind that are compared: more say nothing new. */
const PER_KIND = 12;

/** Places as the words that lead there: headers of groups, blocks by their magic, inodes, a remote link. */
function places(fs: XfsFilesystem, image: string): string[][] {
  const { mp } = fs;
  const list: string[][] = [];
  for (let agno = 0; agno < mp.agCount; agno++)
    for (const header of ['sb', 'agf', 'agi', 'agfl']) list.push([`${header} ${agno}`]);
  const seen = new Map<string, number>();
  const device = openDevice(image);
  const head = new DataView(new ArrayBuffer(16));
  for (const { addr, kind } of findBlocks(device, mp.blockSize, mp.inodeSize)) {
    const count = (seen.get(kind) ?? 0) + 1;
    seen.set(kind, count);
    if (kind === 'inode' && count % 17 === 1) list.push([`inode ${inodeAt(fs, addr)}`]);
    device.read(addr, new Uint8Array(head.buffer));
    const type = TYPES[head.getUint32(0)] ?? TYPES[head.getUint16(8)];
    if (type !== undefined && addr % mp.blockSize === 0 && count <= PER_KIND)
      list.push([`fsblock ${mp.addrToFsb(addr)}`, `type ${type}`]);
  }
  for (const { name, ino } of fs.root().entries()) {
    list.push([`inode ${ino}`]);
    if (name === 'longlink') list.push([`inode ${ino}`, 'dblock 0']);
  }
  device.close();
  return list;
}

function inodeAt({ mp }: XfsFilesystem, addr: number): number {
  const fsb = mp.addrToFsb(addr);
  const index = Math.floor((addr % mp.blockSize) / mp.inodeSize);
  return mp.agInoToIno(mp.fsbToAgno(fsb), mp.fsbToAgbno(fsb) * mp.inodesPerBlock + index);
}

/** What xfs_db prints at each place. */
function printedByXfsDb(image: string, list: readonly (readonly string[])[]): Map<number, string> {
  const input = [...list.map((words, i) => [...words, `echo ===${i}`, 'print'].join('\n')), 'quit', ''].join('\n');
  const { stdout } = run('xfs_db', ['-r', image], { input, env: { TZ: ZONE }, seconds: 120 });
  const parts = stdout.replace(/^(xfs_db> )+/gm, '').split(/^===(\d+) \n/m);
  const out = new Map<number, string>();
  for (let i = 1; i < parts.length; i += 2) out.set(Number(parts[i]), parts[i + 1] as string);
  return out;
}

function printedByUs(inspector: Inspector, words: readonly string[]): string {
  for (const line of words) {
    const [name, value] = line.split(' ') as [string, string];
    if (name === 'inode') inspector.inode(value);
    else if (name === 'fsblock') inspector.fsblock(value);
    else if (name === 'type') inspector.type(value);
    else if (name === 'dblock') inspector.forkBlock(value, 'data');
    else inspector.header(name as 'sb', value);
  }
  return inspector
    .print([])
    .map(({ text }) => `${text}\n`)
    .join('');
}

function check(name: ImageName): void {
  const image = unpackImage(name, join(dir, `${name}.img`));
  const fs = mountDevice(openDevice(image), { readOnly: true }) as XfsFilesystem;
  const list = places(fs, image);
  const wanted = printedByXfsDb(image, list);
  const inspector = new Inspector(fs.mp);
  const wrong: string[] = [];
  for (const [i, words] of list.entries()) {
    const ours = printedByUs(inspector, words).split('\n');
    const theirs = (wanted.get(i) ?? '').split('\n');
    const line = Array.from({ length: Math.max(ours.length, theirs.length) }, (_, at) => at).find(
      (at) => ours[at] !== theirs[at],
    );
    if (line !== undefined)
      wrong.push(`${words.join('; ')}: ${ours[line]?.slice(0, 200)}, xfs_db ${theirs[line]?.slice(0, 200)}`);
  }
  assert.is(wrong.length, 0, `${wrong.length} of ${list.length} differ:\n${wrong.slice(0, 10).join('\n')}`);
  assert.ok(list.length > 60, `only ${list.length} places compared`);
}

for (const name of CLEAN_IMAGES) test(name, () => check(name));

test('paths name fields, ranges and columns; what they cannot name is said', () => {
  const image = unpackImage('xfs-rmap-1k', join(dir, 'paths.img'));
  const fs = mountDevice(openDevice(image), { readOnly: true }) as XfsFilesystem;
  const inspector = new Inspector(fs.mp);
  const frag = fs.root().lookup('frag');
  for (const [place, paths] of [
    ['agf 0', ['bnoroot', 'levels', 'levels[1]', 'freeblks longest', 'nosuch', 'uuid[0]']],
    ['agi 0', ['unlinked', 'unlinked[3]', 'unlinked[64]']],
    ['agfl 0', ['bno[0-3]', 'bno[2]', 'bno[5-500]']],
    [
      'inode 64',
      ['core', 'core.mtime', 'core.mtime.sec', 'u3.bmx[0].startblock', 'core.flags', 'core.magic.x', 'u3.bmx['],
    ],
    [`inode ${frag}`, ['u3.bmbt.ptrs', 'u3.bmbt.keys[1].startoff', 'a']],
  ] as const) {
    for (const path of paths) {
      const db = run('xfs_db', ['-r', '-c', place, '-c', `print ${path}`, image], { env: { TZ: ZONE } });
      let ours: string;
      try {
        printedByUs(inspector, [place]);
        ours = inspector
          .print(path.split(' '))
          .map(({ text }) => `${text}\n`)
          .join('');
      } catch (error) {
        ours = `${(error as Error).message}\n`;
      }
      assert.is(ours, db.stdout, `${place}: print ${path}`);
    }
  }
});

test('bytes as text and as words, and the space of a file system', () => {
  const large = makeXfs(join(dir, 'large.img'), { bytes: 100 * 2 ** 30 });
  const words = ['freesp -s', 'freesp -d -s', 'freesp -e 1000 -s', 'freesp -m 3'];
  const views = ['fsblock 5; type text', 'daddr 8; type text', 'fsblock 5; type text; type data', 'agf 0; type text'];
  for (const image of [large, unpackImage('xfs-rmap-1k', join(dir, 'words.img'))]) {
    for (const line of [...words, ...views.flatMap((view) => [`${view}; addr`, `${view}; print`])]) {
      const args = line.split('; ').flatMap((command) => ['-c', command]);
      const wanted = run('xfs_db', ['-r', ...args, image], { env: { TZ: ZONE } }).stdout;
      const got = fsioInside(['-r', ...args, image]);
      assert.is(firstDifference(got.stdout.split('\n'), wanted.split('\n')), null, `${line}: ${got.stderr}`);
    }
  }
});

test('addr goes where xfs_db goes', () => {
  for (const name of ['xfs-default', 'xfs-rmap-1k'] as const) {
    const image = unpackImage(name, join(dir, `addr-${name}.img`));
    const fs = mountDevice(openDevice(image), { readOnly: true }) as XfsFilesystem;
    const inspector = new Inspector(fs.mp);
    const frag = fs.root().lookup('frag');
    const node = fs.root().child('dir')?.lookup('node');
    for (const [place, ...fields] of [
      ['agf 1', 'bnoroot', 'recs[1].startblock'],
      ['agf 0', 'cntroot', 'leftsib'],
      ['agi 0', 'root', 'recs[1].startino'],
      ['agi 0', 'free_root', 'recs[1].startino', 'next_unlinked'],
      ['agi 0', 'newino', 'nosuch'],
      ['agfl 0', 'bno[1]', 'bno'],
      ['sb 0', 'rootino', 'core.size'],
      [`inode ${frag}`, 'u3.bmbt.ptrs[1]', 'recs[2].startoff'],
      [`inode ${frag}`, 'u3.bmbt.ptrs[1]', 'recs[2].startblock'],
      [`inode ${node}`, 'u3.bmx[0].startblock', 'du[2].inumber'],
      [`inode ${node}`, 'u3.bmx[0].startoff', 'du[0-2].inumber'],
    ] as [string, ...string[]][]) {
      const words = [place, ...fields.flatMap((field) => [`addr ${field}`, 'addr'])];
      const db = run('xfs_db', ['-r', ...words.flatMap((line) => ['-c', line]), image], { env: { TZ: ZONE } });
      printedByUs(inspector, [place]);
      const said = fields.map((field) => `${followed(inspector, field)}${inspector.describe()}\n`);
      // What was looked at before another place: xfs_db starts without an inode.
      const plain = (text: string) => text.replace(/^\tinode .*, type/gm, '\ttype');
      assert.is(plain(said.join('')), plain(db.stdout), words.join('; '));
    }
  }
});

function followed(inspector: Inspector, field: string): string {
  try {
    inspector.follow(field);
    return '';
  } catch (error) {
    return `${(error as Error).message}\n`;
  }
}

test.run();
