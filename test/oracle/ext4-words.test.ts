/** The words of ext2, ext3 and ext4 print what debugfs and e2freefrag print, on images that Linux filled. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { openDevice } from '../../core/device/open.ts';
import { EXT4_VARIANTS, makeExt4, missingExt4Judges } from '../harness/ext4-judge.ts';
import { fsio, missingFsio } from '../harness/fsio.ts';
import { must, run, withLoop, xfsIo } from '../harness/kernel.ts';
import { mountDevice } from '../harness/mount-device.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';

const test = gatedSuite('words of ext4', missingExt4Judges() ?? missingFsio());
const dir = scratch(true);

const NAMES = ['ext4', 'ext3, 1 KiB blocks', 'bigalloc', 'inline data'];

function fill(at: string): void {
  mkdirSync(join(at, 'd/e'), { recursive: true });
  for (let i = 0; i < 30; i++) writeFileSync(join(at, `d/e/f${i}`), 'x'.repeat(i * 100));
  const scattered = Array.from({ length: 500 }, (_, i) => `pwrite -q ${i * 8192} 4096`);
  xfsIo([...scattered, 'fsync'].join('\n'), '-f', join(at, 'scattered'));
  xfsIo('pwrite -q 0 2m\nfalloc 4m 1m\nfsync', '-f', join(at, 'mixed'));
  must('setfattr', '-n', 'user.long', '-v', 'v'.repeat(700), join(at, 'mixed'));
}

function linesOf(text: string): string[] {
  return text.split('\n').map((line) => line.replace(/\s+$/, '').replace('\t//', '\t/'));
}

/** Both have the same lines; names in a directory have no order that all agree on. */
function same(ours: string, theirs: string): void {
  const [got, wanted] = [linesOf(ours).sort(), linesOf(theirs).sort()];
  const only = (a: string[], b: string[]) => a.filter((line) => !b.includes(line)).slice(0, 10);
  assert.equal({ ours: only(got, wanted), debugfs: only(wanted, got) }, { ours: [], debugfs: [] });
  assert.is(got.length, wanted.length);
  assert.ok(got.length > 100, `only ${got.length} lines`);
}

for (const variant of EXT4_VARIANTS.filter(({ name }) => NAMES.includes(name)))
  test(variant.name, () => {
    const image = makeExt4(join(dir, 'words.img'), variant);
    withLoop(image, fill);
    const wanted = [
      'stats',
      'imap <2>',
      'imap /scattered',
      'testi <12>',
      'testi <200>',
      'testb 1 400',
      'icheck 1 600 1000 1500 2000 2500 3000 4000 5000 6000 7000',
      'ncheck 11 12 13 14 15 20 30 40',
      ...['/', '/scattered', '/mixed', '/d/e/f29', '<8>'].flatMap((path) => [`blocks ${path}`, `ex ${path}`]),
    ].filter((words) => variant.name !== 'ext3, 1 KiB blocks' || !words.startsWith('ex '));
    const ours = fsio(['-r', ...wanted.flatMap((words) => ['-c', words]), image]);
    const theirs = run('debugfs', ['-f', '-', image], { input: wanted.join('\n') });
    // With -f debugfs repeats each command before its answer.
    const answers = theirs.stdout
      .split(/^debugfs: .*\n/m)
      .slice(1)
      .join('');
    same(ours.stdout, answers.replace('Inode size:\t', 'Inode size:     '));
    // e2freefrag finds nothing in images with clusters.
    if (variant.name === 'bigalloc') return;
    const free = linesOf(must('e2freefrag', image)).slice(1);
    assert.equal(linesOf(fsio(['-r', '-c', 'freefrag', image]).stdout), free);
  });

test('the map of an image accounts for every block', () => {
  for (const variant of EXT4_VARIANTS.filter(({ name }) => name === 'ext4' || name === 'ext2')) {
    const image = makeExt4(join(dir, 'map.img'), variant);
    withLoop(image, fill);
    const fs = mountDevice(openDevice(image), { readOnly: true });
    const sums = new Map<string, number>();
    let end = 0;
    fs.spaceMap?.().runs(({ addr, length, use }) => {
      assert.is(addr, end, 'runs follow one another');
      end = addr + length;
      sums.set(use, (sums.get(use) ?? 0) + length);
      return true;
    });
    const { bfree } = fs.statfs();
    assert.is(end, variant.bytes);
    assert.is(sums.get('unknown'), undefined, 'every block has an owner');
    assert.is(sums.get('free'), bfree * fs.blockSize);
    assert.ok((sums.get('data') ?? 0) > 4 * 2 ** 20, 'the data are there');
  }
});

test.run();
