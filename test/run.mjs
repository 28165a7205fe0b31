/**
 * The test runner: `node test/run.mjs [NAME…]` runs the *.test.ts files below test/ whose path contains one of the names.
 *
 * uvu by itself runs all files in one process, has no time limit, and exits 0 when nothing ran. So: each file is
 * bundled and gets its own process and a time limit (120 s, or `// time limit: N s` in the file); a file that ran
 * nothing fails; a skip says why, and fails where CI is set. The last line is `N passed, N failed, N skipped`.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const DEFAULT_LIMIT_SECONDS = 120;
const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const names = process.argv.slice(2);
const ci = Boolean(process.env.CI) && process.env.CI !== 'false';
const bundles = join(root, 'node_modules', '.cache', 'fsio-test', String(process.pid));

/** Test files below `dir`, the slow kinds first so that they do not come last and alone. */
function findTests() {
  const slow = ['crash', 'oracle', 'fuzz'];
  const rank = (file) => slow.findIndex((kind) => file.startsWith(`test/${kind}/`)) >>> 0;
  return readdirSync(join(root, 'test'), { recursive: true })
    .map((file) => `test/${file}`)
    .filter((file) => /\.test\.tsx?$/.test(file))
    .filter((file) => names.length === 0 || names.some((name) => file.includes(name)))
    .sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
}

function bundlePath(file) {
  return join(bundles, file.replace(/\.tsx?$/, '.mjs'));
}

/** Bundles one file; resolves to what is wrong with it, or null. A file that does not build fails alone. */
async function bundle(file) {
  const options = {
    absWorkingDir: root,
    entryPoints: [file],
    outdir: bundles,
    outbase: '.',
    outExtension: { '.js': '.mjs' },
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    packages: 'external',
    sourcemap: 'linked',
    logLevel: 'silent',
  };
  try {
    await build(options);
    return null;
  } catch (error) {
    return error.message;
  }
}

/** What ends the files that are running, if the runner itself is told to end. */
const running = new Set();
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) {
  process.on(signal, () => {
    for (const stop of running) stop('SIGTERM');
    rmSync(bundles, { recursive: true, force: true });
    process.exit(1);
  });
}

/** Runs one file; resolves to its counts, its output and, if it did not end well, why. */
async function run(file) {
  const fault = await bundle(file);
  if (fault !== null)
    return { file, output: fault, seconds: 0, passed: 0, failed: 1, skipped: 0, problem: 'does not build' };
  const limit = /^\/\/ time limit: (\d+) s$/m.exec(readFileSync(join(root, file), 'utf8'));
  const seconds = Number(process.env.FSIO_TEST_LIMIT ?? limit?.[1] ?? DEFAULT_LIMIT_SECONDS);
  return new Promise((resolve) => {
    const started = performance.now();
    const child = spawn(process.execPath, ['--enable-source-maps', bundlePath(file)], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, FORCE_COLOR: '0', NO_COLOR: '1', NODE_NO_WARNINGS: '1' },
      detached: true,
    });
    let output = '';
    let late = false;
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        output += text;
      });
    }
    // SIGTERM first: harnesses then unmount what they mounted. The whole group dies, not only the first process.
    const stop = (signal) => {
      try {
        process.kill(-child.pid, signal);
      } catch {}
    };
    running.add(stop);
    const timer = setTimeout(() => {
      late = true;
      stop('SIGTERM');
      setTimeout(() => stop('SIGKILL'), 10_000).unref();
    }, seconds * 1000);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      running.delete(stop);
      const why = late ? `stopped after ${seconds} s` : signal ? `killed by ${signal}` : null;
      resolve({ file, output, seconds: (performance.now() - started) / 1000, ...judge(output, code, why) });
    });
  });
}

function judge(output, code, why) {
  const sum = (label) =>
    [...output.matchAll(new RegExp(`^  ${label}: +(\\d+)`, 'gm'))].reduce(
      (total, match) => total + Number(match[1]),
      0,
    );
  const total = sum('Total');
  const passed = sum('Passed');
  const skipped = sum('Skipped');
  let failed = total - passed;
  let problem = why;
  if (problem === null && total + skipped === 0) problem = 'ran nothing';
  if (problem === null && code !== 0 && failed === 0) problem = `exit status ${code}`;
  if (problem !== null) failed = Math.max(failed, 1);
  return { passed, failed, skipped, problem };
}

function report(result) {
  const reasons = [...result.output.matchAll(/^# skip (.*)$/gm)].map((match) => match[1]);
  const bad = result.failed > 0 || (ci && result.skipped > 0);
  const counts = `${result.passed} passed${result.failed ? `, ${result.failed} failed` : ''}${result.skipped ? `, ${result.skipped} skipped` : ''}`;
  console.log(`${bad ? 'FAIL' : 'ok  '} ${result.file}  ${counts}  ${result.seconds.toFixed(1)} s`);
  for (const reason of reasons) console.log(`     skipped: ${reason}`);
  for (const [, line] of result.output.matchAll(/^# (seed .*)$/gm)) console.log(`     ${line}`);
  if (result.problem) console.log(`     ${result.problem}`);
  if (result.failed > 0) console.log(result.output.replace(/^/gm, '     | '));
}

const files = findTests();
const totals = { passed: 0, failed: 0, skipped: 0 };
if (files.length === 0) {
  console.log(`no test file matches ${names.join(' ')}`);
  totals.failed = 1;
} else {
  try {
    mkdirSync(bundles, { recursive: true });
    const queue = [...files];
    const worker = async () => {
      for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
        const result = await run(file);
        report(result);
        totals.passed += result.passed;
        totals.failed += result.failed + (ci ? result.skipped : 0);
        totals.skipped += ci ? 0 : result.skipped;
      }
    };
    // One more than there are processors: many wait for the kernel (mounts, umounts) or for a terminal.
    await Promise.all(Array.from({ length: availableParallelism() + 1 }, worker));
  } finally {
    rmSync(bundles, { recursive: true, force: true });
  }
}
console.log(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);
process.exitCode = totals.failed > 0 ? 1 : 0;
