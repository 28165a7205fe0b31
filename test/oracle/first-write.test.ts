// time limit: 60 s
/**
 * Each writing word as the first and only command of a session: the image becomes writable before the first byte goes
 * to it, whether that is data, a log record or neither.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { missingFsio } from '../harness/fsio.ts';
import { fsioInside } from '../harness/fsio-inside.ts';
import { unpackImage } from '../harness/images.ts';
import { missingJudges, repairComplaints } from '../harness/kernel.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';

const test = gatedSuite('first write of a session', missingJudges() ?? missingFsio());
const dir = scratch(true);
const host = join(dir, 'host');
writeFileSync(host, Buffer.alloc(10_000, 'h'));

/** File, flags before it, and the only command of the session. */
const SESSIONS: readonly (readonly [path: string, flags: string, ...commands: string[]])[] = [
  ['/mib', '', 'pwrite 0 4096'],
  ['/mib', '', 'pwrite 5000 10'],
  ['/mib', '-d', 'pwrite 0 4096'],
  ['/mib', '-d', 'pwrite -b 64k 0 256k'],
  ['/mib', '-s', 'pwrite 4096 100'],
  ['/mib', '-a', 'pwrite 0 100'],
  ['/mib', '', 'mmap 0 64k', 'mwrite 100 200'],
  ['/mib', '', 'mmap 0 64k', 'mwrite 8192 4096', 'msync -s'],
  ['/mib', '', 'fzero 3000 3000'],
  ['/mib', '', 'zero 4096 8192'],
  ['/mib', '', 'fpunch 100 200'],
  ['/mib', '', 'fpunch 8000 20000'],
  ['/mib', '', 'falloc 2m 64k'],
  ['/mib', '', 'truncate 1000001'],
  ['/mib', '', 'truncate 999'],
  ['/mib', '', `pwrite -i ${host} 0 10000`],
  ['/mib', '', 'fcollapse 0 4096'],
  ['/clone', '', 'pwrite 10 10'],
  ['/clone', '-d', 'pwrite 0 4096'],
  ['/clone', '', 'mmap 0 4096', 'mwrite 0 10'],
  ['/clone', '', 'funshare 0 8192'],
  ['/prealloc', '', 'pwrite 0 10'],
  ['/prealloc', '-d', 'pwrite 0 4096'],
  ['/sparse', '', 'finsert 0 4096'],
  ['/small', '', 'sendfile -i /tiny 0 4'],
  ['/small', '', 'copy_range -l 3 /tiny'],
  ['/small', '', 'reflink /mib'],
  ['/small', '', 'resvsp 0 1m'],
  ['/small', '', 'unresvsp 0 1m'],
  ['/made', '-f', 'pwrite 0 1'],
  ['/made', '-t', 'stat'],
  ['/', '', `put ${host} /made`],
  ['/', '', 'mkdir /folder'],
  ['/', '', 'touch /mib'],
  ['/', '', 'ln /made /folder/second'],
  ['/', '', 'symlink made /folder/link'],
  ['/', '', 'mv /folder/second /folder/third'],
  ['/', '', 'chmod 0600 /made'],
  ['/', '', 'chown 3:4 /made'],
  ['/', '', 'attr set user.first value /made'],
  ['/', '', 'attr remove user.first /made'],
  ['/', '', 'rm -r /folder'],
  ['/', '', 'label -s first'],
  ['/mib', '', 'chattr +d'],
  ['/empty', '', 'extsize 64k'],
  ['/empty', '', 'pwrite 0 5'],
];

test('every writing word', () => {
  const image = unpackImage('xfs-default', join(dir, 'default.img'));
  for (const [path, flags, ...commands] of SESSIONS) {
    const outcome = fsioInside([
      ...(flags === '' ? ['-x'] : ['-x', flags]),
      ...commands.flatMap((command) => ['-c', command]),
      `${image}:${path}`,
    ]);
    assert.is(
      `${outcome.status} ${outcome.stderr}`,
      '0 ',
      `${flags} ${commands.join('; ')} on ${path}: ${outcome.stdout}`,
    );
  }
  assert.equal(repairComplaints(image), []);
});

test.run();
