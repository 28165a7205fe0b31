/**
 * `npm run xfstests -- [--fstyp xfs|btrfs] [--limit SECONDS] [ID…]`: runs unmodified xfstests scripts against the built
 * fsio. A campaign for one's own machine, not for CI: it needs a checkout of xfstests (FSIO_XFSTESTS) and the runner that
 * turns what the scripts do below their mount points into calls of fsio (FSIO_XFSTESTS_RUNNER, a directory with run.py).
 *
 * Without ids it takes xfs.txt or btrfs.txt beside this file: scripts that the kernel passes and that stay within what
 * the runner offers. No test is begun after the limit (900 s). The last line is `N passed, N failed, N not run, N left`;
 * a script that does not run counts as failed when it is on the list, since the kernel runs it.
 */
import { spawn, spawnSync } from 'node:child_process';
import { cpSync, existsSync, lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const here = dirname(fileURLToPath(import.meta.url));
const program = join(here, '..', '..', 'dist', 'fsio.js');

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { fstyp: { type: 'string', default: 'xfs' }, limit: { type: 'string', default: '900' } },
});

function given(variable, file) {
  const directory = process.env[variable];
  if (directory && existsSync(join(directory, file))) return directory;
  console.error(`xfstests: ${variable} must name a directory that holds ${file}`);
  process.exit(2);
}

function listed(fstyp) {
  const text = readFileSync(join(here, `${fstyp}.txt`), 'utf8');
  return text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
}

/** A copy of the runner whose commands are links again: a copy made by tools that know no links has files with the target's name. */
function stageRunner(source, work) {
  const copy = join(work, 'runner');
  cpSync(source, copy, { recursive: true, verbatimSymlinks: true });
  spawnSync('chmod', ['-R', 'u+w', copy]);
  const commands = join(copy, 'bin');
  for (const name of readdirSync(commands)) {
    const path = join(commands, name);
    if (lstatSync(path).isSymbolicLink()) continue;
    const target = readFileSync(path, 'utf8').trim();
    if (!existsSync(join(commands, target))) continue;
    rmSync(path);
    symlinkSync(target, path);
  }
  return copy;
}

/** Runs one script; resolves to its status (pass, fail, notrun, timeout, error), having shown the runner's line. */
function runOne(runner, checkout, work, id) {
  return new Promise((resolve) => {
    const args = ['--fstyp', values.fstyp, '--backend', 'tool', '--imgtool', `node ${program}`];
    const place = ['--xfstests', checkout, '--work', join(work, 'run'), '--tmpfs', '', '-j', '1', '-v', id];
    const child = spawn(join(runner, 'run.py'), [...args, ...place], { stdio: ['ignore', 'pipe', 'inherit'] });
    let status = 'error';
    createInterface({ input: child.stdout }).on('line', (line) => {
      const found = /^(\S+\/\d+) +(\w+)/.exec(line);
      if (found?.[1] !== id) return;
      status = found[2];
      console.log(line);
    });
    running = child;
    child.on('close', () => resolve(status));
  });
}

let running = null;
let stopped = false;
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    stopped = true;
    running?.kill('SIGTERM');
  });
}

const checkout = given('FSIO_XFSTESTS', 'common/rc');
const source = given('FSIO_XFSTESTS_RUNNER', 'run.py');
const ids = positionals.length > 0 ? positionals : listed(values.fstyp);
const end = Date.now() + Number(values.limit) * 1000;
const work = mkdtempSync(join(tmpdir(), 'fsio-xfstests-'));
const counts = { pass: 0, failed: 0, notrun: 0 };
let done = 0;
try {
  const runner = stageRunner(source, work);
  for (const id of ids) {
    if (stopped || Date.now() >= end) break;
    const status = await runOne(runner, checkout, work, id);
    if (stopped) break;
    done += 1;
    if (status === 'pass') counts.pass += 1;
    else if (status === 'notrun' && positionals.length > 0) counts.notrun += 1;
    else counts.failed += 1;
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}
console.log(`${counts.pass} passed, ${counts.failed} failed, ${counts.notrun} not run, ${ids.length - done} left`);
if (counts.failed > 0 || counts.pass === 0) process.exitCode = 1;
