/**
 * The main job, on an XFS image that mkfs.xfs made and Linux filled: write, share, copy on write, look. Runs the
 * commands that a user would type, shows them with their output, and checks what it claims.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { unpack } from '../test/images/unpack.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const dir = mkdtempSync(join(tmpdir(), 'fsio-demo-'));
const checked = [];

try {
  demo();
} finally {
  rmSync(dir, { recursive: true, force: true });
}

function demo() {
  unpack(join(root, 'test/images/xfs-default.img.br'), join(dir, 'disk.img'));

  step('A file that Linux wrote. Looking changes no byte of the image.');
  const before = digest();
  fsio('-r', '-c', 'stat', '-c', 'fiemap -v', 'disk.img:/sparse');
  check('reading left the image as it was', digest() === before);

  step('A new file of 64 KiB, and a second one that shares its blocks.');
  fsio('-f', '-c', 'pwrite -S 0x61 0 64k', '-c', 'fsync', 'disk.img:/first');
  fsio('-f', '-c', 'reflink /first', 'disk.img:/second');

  step('100 bytes into the shared part: iomap says where they go (dstmap), srcmap where the old bytes come from.');
  const trace = fsio('--trace', '-c', 'pwrite -S 0x62 4097 100', '-c', 'fsync', 'disk.img:/second');
  check('the write went through two mappings', /dstmap.*DELALLOC.*SHARED/.test(trace) && /srcmap.*MAPPED/.test(trace));

  step('One block has parted; the rest is still shared (flag 0x2000).');
  const map = fsio('-r', '-c', 'fiemap -v', 'disk.img:/second');
  check('the block written to is no longer shared', /\[8\.\.15\]:.* 0x0$/m.test(map));
  check('what surrounds it still is', /\[0\.\.7\]:.* 0x2000$/m.test(map) && /\[16\.\.127\]:.* 0x2001$/m.test(map));
  fsio('-r', '-c', 'bmap -vp', 'disk.img:/first');
  const data = fsio('-r', '-c', 'seek -a -r 0', 'disk.img:/sparse');
  check('seek finds data and holes', /^DATA\t0$/m.test(data) && /^HOLE\t12288$/m.test(data));

  step('The bytes.');
  fsio('-r', '-c', 'pread -v 4090 16', 'disk.img:/second');
  const first = Buffer.alloc(65536, 0x61);
  const second = Buffer.from(first).fill(0x62, 4097, 4197);
  check('the first file is as it was', content('/first').equals(first));
  check('the second has the new bytes and no others', content('/second').equals(second));

  const repair = spawnSync('xfs_repair', ['-n', 'disk.img'], { cwd: dir });
  if (repair.error === undefined) check('xfs_repair -n finds nothing', repair.status === 0);
  console.log(`\nChecked:\n${checked.map((what) => `  ok  ${what}`).join('\n')}`);
}

function step(title) {
  console.log(`\n== ${title}`);
}

/** Runs fsio as typed, shows it, and returns what it printed. */
function fsio(...args) {
  console.log(`\n$ fsio ${args.map((word) => (/[ &]/.test(word) ? `'${word}'` : word)).join(' ')}`);
  const run = spawnSync(process.execPath, [join(root, 'dist/fsio.js'), ...args], { cwd: dir, encoding: 'utf8' });
  const output = run.stderr + run.stdout;
  process.stdout.write(output);
  if (run.status !== 0) throw new Error(`exit status ${run.status}`);
  return output;
}

function content(path) {
  const args = [join(root, 'dist/fsio.js'), '-r', '-c', `cat ${path}`, 'disk.img'];
  return spawnSync(process.execPath, args, { cwd: dir }).stdout;
}

function digest() {
  return createHash('sha256')
    .update(readFileSync(join(dir, 'disk.img')))
    .digest('hex');
}

function check(what, good) {
  if (!good) throw new Error(`not so: ${what}`);
  checked.push(what);
}
