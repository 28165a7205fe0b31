/** Every line of --json is as `fsio --schema` says, strictly: no property that it does not name. Ajv judges. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import * as assert from 'uvu/assert';
import { makeExt4, missingExt4Judges } from '../harness/ext4-judge.ts';
import { fsio, missingFsio } from '../harness/fsio.ts';
import { unpackImage } from '../harness/images.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';

interface Schema {
  readonly $defs: { readonly [name: string]: object };
}

const test = gatedSuite('json', missingFsio() ?? missingExt4Judges());

const published = (): Schema => JSON.parse(fsio(['--schema']).stdout);

/** The same, with nothing allowed that is not named; objects of which no property is known stay open. */
function strict(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(strict);
  if (typeof schema !== 'object' || schema === null) return schema;
  const closed = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, strict(value)]));
  const { properties } = schema as { properties?: object };
  const isSchema = 'type' in schema && schema.type === 'object' && properties !== undefined;
  if (!isSchema || 'additionalProperties' in schema || Object.keys(properties).length === 0) return closed;
  return { ...closed, additionalProperties: false };
}

const FILES = [
  ...['open -f /new', 'pwrite -S 0x61 0 64k', 'fsync', 'fdatasync', 'sync', 'syncfs', 'sync_range -w 0 4k', 'close'],
  ...[
    'open /frag',
    'open /clone',
    'file',
    'file 0',
    'print',
    'stat',
    'stat -v',
    'stat -r',
    'statx',
    'statx -r',
    'statfs',
  ],
  ...[
    'pread -v 0 40',
    'pread 0 4k',
    'readlink /link',
    'seek -a -r 0',
    'fiemap',
    'fiemap -v',
    'bmap',
    'bmap -v',
    'bmap -a',
  ],
  ...['mmap 0 16k', 'mread -v 0 16', 'mwrite -S 0x62 0 4k', 'msync', 'mincore', 'madvise', 'mremap 8k', 'munmap'],
  ...[
    'falloc 1m 64k',
    'fzero 0 4k',
    'fpunch 4k 4k',
    'finsert 0 4k',
    'fcollapse 0 4k',
    'funshare 0 4k',
    'truncate 100k',
  ],
  ...['resvsp 0 4k', 'unresvsp 0 4k', 'zero 0 4k', 'fadvise -n 0 4k', 'copy_range -l 4k /mib', 'sendfile -i /mib 0 4k'],
  ...[
    'reflink /mib 0 0 4k',
    'dedupe /mib 0 0 4k',
    'open -f /swap',
    'chattr +C',
    'pwrite 0 64k',
    'fsync',
    'swapfile',
    'map-swapfile /swap',
    'open -f /swap2',
    'pwrite 0 64k',
    'swapext /swap',
    'readdir',
    'open /dir',
    'readdir -v',
    'chattr +d',
    'lsattr',
  ],
  ...[
    'lsattr -v',
    'chproj 5',
    'lsproj',
    'extsize 64k',
    'extsize',
    'cowextsize',
    'chattr -d',
    'chmod -rw',
    'utimes 1 2 3 4',
  ],
  ...['ls -l /', 'ls -p /frag', 'ls / /dir', 'ls', 'tree -L 1 /', 'manifest /', 'map /frag', 'sum /mib', 'md5sum /mib'],
  ...[
    'sha1sum /mib',
    'sha256sum /mib',
    'cmp /link /mib',
    'cmp /mib /frag',
    'cmp /empty /mib',
    'cp /mib /copied',
    'cat /tiny',
  ],
  ...[
    'attr list /attrs',
    'attr set user.x y /attrs',
    'attr get user.x /attrs',
    'attr remove user.x /attrs',
    'touch /touched',
  ],
  ...[
    'mkdir /d2',
    'ln /mib /d2/hard',
    'symlink target /d2/soft',
    'mkfifo /d2/pipe',
    'mknod /d2/null c 1 3',
    'mv /d2/pipe /d2/p',
  ],
  ...[
    'rm /d2/p',
    'rm /d2/null /d2/soft /d2/hard',
    'rmdir /d2',
    'cd /dir',
    'pwd',
    'cd /',
    'label',
    'label other',
    'help',
    'help pwrite',
  ],
  ...[
    'crc32cselftest',
    'getrusage',
    'log_writes -d x -m y',
    'scrub probe',
    'repair probe',
    'freeze',
    'thaw',
    'resblks',
    'inject',
  ],
  ...[
    'chown 1:1 /mib',
    'nosuch',
    'open /none',
    'pread',
    'add_enckey',
    'rm_enckey x',
    'enckey_status x',
    'get_encpolicy',
    'set_encpolicy',
  ],
  ...['open -T /', 'flink /linked', 'swapext /mib', 'browse', 'undo', 'diff'],
];

const XFS = [
  ...[
    'fsmap',
    'logprint',
    'logprint -t',
    'frag',
    'freesp',
    'freesp -d',
    'convert fsblock 12 agno',
    'parent',
    'path-of-inode 131',
  ],
  ...[
    'bulkstat',
    'bulkstat_single 131',
    'inumbers',
    'imap',
    'inode',
    'sb 0',
    'print',
    'agf 0',
    'print',
    'agfl 0',
    'agi 0',
    'type',
  ],
  ...[
    'addr',
    'addr root',
    'fsblock 12',
    'fsblock',
    'daddr',
    'daddr 0',
    'blockuse',
    'close',
    'inode 131',
    'dblock 0',
    'ablock 0',
    'print',
  ],
  ...['exchangerange /mib', 'open /mib', 'exchangerange -t /clone', 'inode', 'inode 131', 'inode -n 131'],
];

const BTRFS = [
  ...[
    'dump-super',
    'dump-super -f',
    'dump-tree',
    'dump-tree -t root',
    'tree-stats',
    'tree-stats -t fs',
    'rootid',
    'min-dev-size',
  ],
  ...[
    'filesystem df',
    'filesystem show',
    'filesystem usage',
    'filesystem usage -T',
    'filesystem du /',
    'filesystem label',
  ],
  ...[
    'device usage',
    'device stats',
    'device stats -T',
    'chunk list',
    'subvolume list',
    'subvolume list -t',
    'subvolume show /',
  ],
  ...['subvolume create /sub', 'subvolume snapshot /sub /snap', 'subvolume get-default', 'subvolume find-new / 1'],
  ...[
    'subvolume set-default 5',
    'subvolume delete /snap',
    'property list /mib',
    'property get /mib',
    'property set /mib compression zstd',
  ],
  ...[
    'qgroup show',
    'inode-resolve 257',
    'logical-resolve 13631488',
    'map-logical 13631488',
    'subvolid-resolve 5',
    'rootid /',
  ],
];

const EXT4 = [
  ...['stats', 'imap 12', 'icheck 2000', 'ncheck 12', 'testb 2000', 'testi <12>', 'blocks <2>', 'freefrag', 'logdump'],
  ...['dump_extents <12>', 'ls -l /', 'manifest /', 'map', 'open /x', 'stat -v', 'fiemap -v', 'statx -r', 'lsattr'],
];

const GFS2 = [
  ...[
    'blocktype 20',
    'blockalloc 20',
    'blockrg 20',
    'journals',
    'journal 0',
    'print sb',
    'print 20',
    'rgs',
    'unlinked',
  ],
  ...['ls -l /', 'open /attrs', 'stat -v', 'fiemap -v', 'statx -r', 'lsattr', 'attr list /attrs', 'map'],
];

/** What gives no answer here: it ends the run, needs an overlay, a feature or a prompt, or always refuses. */
const SILENT = [
  ...['add_enckey', 'browse', 'commit', 'diff', 'discard', 'enckey_status', 'exchangerange', 'get_encpolicy'],
  ...['log_writes', 'qgroup', 'quit', 'repair', 'rm_enckey', 'scrub', 'set_encpolicy', 'shutdown', 'source', 'undo'],
];

/** The answers of a script on a copy of an image of the tests. */
function judged(image: Parameters<typeof unpackImage>[0], lines: readonly string[], ajv: Ajv2020): Set<string> {
  return answers(unpackImage(image, join(scratch(), image)), lines, ajv);
}

/** An ext4 image with a file. */
function ext4(): string {
  const dir = scratch();
  writeFileSync(join(dir, 'x'), 'x'.repeat(5000));
  return makeExt4(join(scratch(), 'ext4'), { args: ['-t', 'ext4', '-d', dir], bytes: 16 << 20 });
}

/** Which commands of a script gave an answer that was no error; every one is as the schema says. */
function answers(path: string, lines: readonly string[], ajv: Ajv2020): Set<string> {
  const { stdout, stderr } = fsio(['--json', '-x', path], `${lines.join('\n')}\n`);
  assert.is(stderr, '');
  const answered = new Set<string>();
  for (const line of stdout.trimEnd().split('\n')) {
    const object = JSON.parse(line);
    const name = 'error' in object ? 'error' : (object.command ?? 'manifest');
    assert.is(complaint(ajv, name, object), '', `${path}: ${line.slice(0, 2000)}`);
    answered.add(name);
  }
  return answered;
}

/** What is wrong with an answer, or nothing. */
function complaint(ajv: Ajv2020, name: string, object: unknown): string {
  const validate = ajv.getSchema(`strict#/$defs/${name}`);
  return validate === undefined ? `${name} has no schema` : validate(object) ? '' : ajv.errorsText(validate.errors);
}

test('every answer of every command is as the schema says', () => {
  const schema = published();
  const ajv = new Ajv2020({ strict: true, allowUnionTypes: true, strictTuples: false, allErrors: true });
  ajv.compile(schema);
  ajv.addSchema({ ...(strict(schema) as object), $id: 'strict' });
  assert.match(complaint(ajv, 'seek', { command: 'seek', whence: 'DATA', start: 0, result: 0, more: 1 }), 'additional');
  const host = join(scratch(), 'host');
  writeFileSync(host, 'hello');
  const host2 = ['put', 'get'].map((word) => (word === 'put' ? `put ${host} /host` : `get /host ${host}.back`));
  const answered = new Set([
    ...judged('xfs-default', [...FILES, ...host2, ...XFS], ajv),
    ...judged('xfs-rmap-1k', XFS, ajv),
    ...judged('xfs-quota', ['quota'], ajv),
    ...judged('btrfs-default', [...FILES, ...BTRFS], ajv),
    ...judged('btrfs-subvol', BTRFS, ajv),
    ...answers(ext4(), EXT4, ajv),
    ...judged('gfs2-4k', GFS2, ajv),
  ]);
  const silent = Object.keys(schema.$defs).filter((name) => !answered.has(name));
  assert.equal(silent, SILENT, 'a command that has an answer gives it here');
});

test.run();
