/** Version 4 and its log: what a crash leaves is replayed, and xfs_repair has nothing to say of it. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { fsioInside } from '../harness/fsio-inside.ts';
import { makeXfs, missingTools, must, repairComplaints } from '../harness/kernel.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';

const test = gatedSuite('v4 after a crash', missingTools(['mkfs.xfs', 'xfs_repair', 'xfs_db', 'cp'], 'xfs'));

test('an inode that was flushed, freed and used again', () => {
  const dir = scratch(true);
  const image = makeXfs(join(dir, 'image.img'), { args: ['-m', 'crc=0'] });
  const made = fsioInside(['-f', '-c', 'pwrite -q 0 64k', '-c', 'stat', `${image}:/f`]);
  const ino = /stat.ino = (\d+)/.exec(made.stdout)?.[1] as string;
  // Linux counts there how often it wrote the inode; recovery passes over older ones in the log.
  must('xfs_db', '-x', '-c', `inode ${ino}`, '-c', 'write core.flushiter 5', image);
  fsioInside(['-x', '-c', 'rm /f', '-c', 'mkfifo /p', '-c', 'shutdown -f', `${image}:/`]);
  const after = fsioInside(['-r', '-c', `inode ${ino}`, '-c', 'print core.mode', '-c', 'ls -l', image]).stdout;
  assert.match(after, /core.mode = 010644\nprw/);
  assert.is(fsioInside(['-c', 'touch /q', image]).stderr, '');
  assert.equal(repairComplaints(image), []);
  rmSync(dir, { recursive: true });
});

test.run();
