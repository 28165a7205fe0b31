/** The word swapfile against swapon of Linux: the same files accepted, of the same size, and refused. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { fsio, missingFsio } from '../harness/fsio.ts';
import { makeXfs, missingJudges, run, withMount, xfsIo } from '../harness/kernel.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';

const dir = scratch();

/** Swap space needs a kernel with it, and a file system that is on no tmpfs loop of a container without rights. */
function missingSwap(): string | null {
  return run('sh', ['-c', 'command -v mkswap swapon swapoff']).status === 0 ? null : 'needs swapon';
}

const test = gatedSuite('swapfile', missingJudges() ?? missingFsio() ?? missingSwap());

const FILES: readonly (readonly [name: string, ...commands: string[]])[] = [
  ['plain', 'pwrite -q 0 1m'],
  ['prealloc', 'falloc 0 2m', 'pwrite -q 0 4k'],
  ['frag', ...Array.from({ length: 12 }, (_, i) => `pwrite -q ${(11 - i) * 65536} 64k\nfsync`)],
  ['odd', 'pwrite -q 0 100001'],
  ['holey', 'pwrite -q 0 64k', 'truncate 1m'],
  ['shared', 'pwrite -q 0 256k', 'fsync', 'reflink {d}/plain 0 64k 64k'],
  ['tiny', 'pwrite -q 0 100'],
  ['page', 'pwrite -q 0 4k'],
];

test('as swapon', () => {
  for (const args of [[], ['-b', 'size=1024']]) {
    const image = makeXfs(join(dir, 'swap.img'), { args });
    const wanted = withMount(image, (at) => {
      for (const [name, ...commands] of FILES) {
        xfsIo([`open -f ${at}/${name}`, ...commands, 'fsync', ''].join('\n').replaceAll('{d}', at));
      }
      return FILES.map(([name]) => {
        const path = join(at, name);
        run('chmod', ['600', path]);
        run('mkswap', ['-q', path]);
        const { status } = run('swapon', [path]);
        if (status !== 0) return `${name} refused`;
        const line = readFileSync('/proc/swaps', 'utf8')
          .split('\n')
          .find((text) => text.startsWith(path));
        run('swapoff', [path]);
        return `${name} ${line?.split(/\s+/)[2]}`;
      });
    });
    const got = FILES.map(([name]) => {
      const outcome = fsio(['-r', '-c', 'swapfile', `${image}:/${name}`]);
      const size = /\((\d+) KiB\)/.exec(outcome.stdout)?.[1];
      return outcome.status === 0 && Number(size) > 0 ? `${name} ${size}` : `${name} refused`;
    });
    assert.equal(got, wanted);
    assert.ok(
      wanted.some((line) => !line.endsWith('refused')),
      `swapon works here: ${wanted.join(', ')}`,
    );
  }
});

test.run();
