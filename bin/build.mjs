/**
 * Bundles fsio into dist/. What node runs is CommonJS, which it starts faster than an ES module, and comes with the
 * code that V8 makes of it (main.cache), so that starting does not compile it again; a node that cannot use that
 * compiles as usual. The shell is a separate ES module (ink needs that), loaded only when somebody sits at the prompt.
 */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { unpack } from '../test/images/unpack.mjs';
import { bundle } from './bundle.mjs';
import { schemaOf } from './schema.mjs';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
mkdirSync('dist', { recursive: true });
// V8 knows its cache by the length of the source alone: a stale one must never stand beside a new source.
for (const name of readdirSync('dist')) if (name.endsWith('.cache')) rmSync(`dist/${name}`);
const { version } = JSON.parse(readFileSync('package.json', 'utf8'));

const common = {
  bundle: true,
  platform: 'node',
  target: 'node20',
  external: ['@node-rs/crc32'],
  logLevel: 'warning',
  metafile: true,
  legalComments: 'none',
};

const main = await bundle({
  ...common,
  define: { 'import.meta.url': '__filename', FSIO_VERSION: JSON.stringify(version) },
});

const shell = await build({
  ...common,
  entryPoints: ['bin/shell/shell.tsx'],
  outfile: 'dist/shell.mjs',
  format: 'esm',
  jsx: 'automatic',
  define: { 'process.env.NODE_ENV': '"production"' },
  alias: { 'react-devtools-core': './bin/shell/no-devtools.mjs', 'is-in-ci': './bin/shell/not-in-ci.mjs' },
  banner: { js: "import { createRequire as __cr } from 'node:module'; const require = __cr(import.meta.url);" },
});

// What programs import.
const library = await build({
  ...common,
  entryPoints: ['bin/library.ts'],
  outfile: 'dist/index.js',
  format: 'cjs',
  minifyWhitespace: true,
  define: { 'import.meta.url': '__filename' },
});

// The thread that talks to an NBD server.
const nbd = await build({
  ...common,
  entryPoints: ['core/device/nbd/worker.ts'],
  outfile: 'dist/nbd-worker.js',
  format: 'cjs',
  minifyWhitespace: true,
});

const START = `#!/usr/bin/env node
// Loads the parts of the program with the code that V8 made of them when fsio was built, if this node can use it.
const { readFileSync, writeFileSync } = require('node:fs');
const { Script } = require('node:vm');
const caching = process.env.FSIO_BUILD_CACHE;
const parts = {};
const loaded = {};
function part(name) {
  const known = loaded[name];
  if (known !== undefined) return known.exports;
  if (parts[name] === undefined) load(name.slice(0, name.indexOf('/')));
  const module = (loaded[name] = { exports: {} });
  parts[name](module, require, part, __filename);
  return module.exports;
}
function load(file) {
  const filename = __dirname + '/' + file + '.js';
  let cachedData;
  try {
    cachedData = readFileSync(filename + '.cache');
  } catch {}
  const script = new Script(readFileSync(filename, 'latin1'), { filename, cachedData });
  Object.assign(parts, script.runInThisContext());
  if (caching) process.on('exit', () => writeFileSync(caching + '/' + file + '.js.cache', script.createCachedData()));
}
part('main/0');
`;

for (const { name, source } of main.files) write(`dist/${name}`, source);
write('dist/fsio.js', START);
const types = readFileSync('bin/library-api.ts', 'utf8');
const opening = '/** Opens an image file, block device or network block export. @throws FsioError */';
write(
  'dist/index.d.ts',
  `${types}\n${opening}\nexport declare function openImage(path: string, options?: OpenOptions): Image;\n`,
);
write('dist/load-shell.js', "module.exports = () => import('./shell.mjs');\n");
write('dist/package.json', '{ "type": "commonjs" }\n');
write('dist/LICENSES.txt', licences([main.metafile, shell.metafile, library.metafile, nbd.metafile]));
write('dist/schema.json', `${JSON.stringify(schemaOf(await declaredGroups()), null, 2)}\n`);
chmodSync('dist/fsio.js', 0o755);
write('dist/fsio.1', printed('--man'));
mkdirSync('dist/completions', { recursive: true });
for (const shell of ['bash', 'zsh', 'fish']) write(`dist/completions/fsio.${shell}`, printed('--completion', shell));
makeCaches();

/** Others may be running what is there: a file is replaced, never rewritten. */
function write(path, text) {
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}

/** The program's commands as they are declared: bin/command-groups.ts, run. */
async function declaredGroups() {
  const dir = mkdtempSync(join(tmpdir(), 'fsio-build-'));
  const outfile = join(dir, 'groups.cjs');
  await build({
    ...common,
    entryPoints: ['bin/command-groups.ts'],
    outfile,
    format: 'cjs',
    define: { 'import.meta.url': '__filename' },
  });
  const { commandGroups } = createRequire(import.meta.url)(outfile);
  rmSync(dir, { recursive: true });
  return commandGroups();
}

/** What the new build prints of itself. */
function printed(...args) {
  const run = spawnSync(process.execPath, ['dist/fsio.js', ...args], { encoding: 'utf8' });
  if (run.status !== 0) throw new Error(`the new build does not run: ${run.stderr}`);
  return run.stdout;
}

/** Lets fsio do a little of everything on small images, and keeps the code that this took. */
function makeCaches() {
  // What every start loads should know reading and no more; the other files are there for what only some runs do.
  const looking = ['stat', 'pread -v 0 16', 'fiemap -v', 'ls -p /x', 'open /x/frag', 'fiemap -v', 'pread -q 0 64k'];
  const forLooking = (name) => /^(main|reading|names)\.js\.cache$/.test(name);
  keepCaches(['xfs-default'], looking, forLooking);
  const btrfs = existsSync('test/images/btrfs-default.img.br') ? ['btrfs-default'] : [];
  keepCaches(['xfs-default', ...btrfs], changes(btrfs), (name) => !forLooking(name));
}

/** Changes of the image at /x, and then of others, whose code shares files with it. */
function changes(others) {
  const first = ['attr', 'pwrite -q 0 4k', 'fsync', 'mkdir /x/made', 'rmdir /x/made'];
  const each = ['stat', 'pwrite -q 0 64k', 'fsync', 'pread -q 0 64k', 'fiemap'];
  return [
    ...first,
    ...others.flatMap((_, i) => [`open -f /${i}/made`, ...each, `mkdir /${i}/fresh`, `rmdir /${i}/fresh`]),
  ];
}

/** Runs commands on the file `tiny` of the first image, which is seen as /x, the others as /0, /1 and so on. */
function keepCaches(names, commands, wanted) {
  const dir = mkdtempSync(join(tmpdir(), 'fsio-build-'));
  try {
    const at = names.flatMap((name, i) => {
      const image = join(dir, `${name}.img`);
      unpack(`test/images/${name}.img.br`, image);
      return ['--at', `${i === 0 ? '/x' : `/${i - 1}`}=${image}`];
    });
    const args = ['dist/fsio.js', ...at, ...commands.flatMap((line) => ['-c', line]), '/x/tiny'];
    const run = spawnSync(process.execPath, args, { env: { ...process.env, FSIO_BUILD_CACHE: dir }, encoding: 'utf8' });
    if (run.status !== 0) throw new Error(`the new build does not run: ${run.stderr}`);
    const caches = readdirSync(dir).filter((file) => file.endsWith('.cache') && wanted(file));
    for (const file of caches) write(`dist/${file}`, readFileSync(join(dir, file)));
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** The licence texts of every bundled package, as their licences ask. */
function licences(metafiles) {
  const packages = new Set();
  for (const { inputs } of metafiles)
    for (const file of Object.keys(inputs)) {
      const match = /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(file);
      if (match) packages.add(match[1]);
    }
  const parts = [];
  for (const name of [...packages].sort()) {
    const about = JSON.parse(readFileSync(`node_modules/${name}/package.json`, 'utf8'));
    let text = `(${about.license})`;
    for (const file of ['LICENSE', 'license', 'LICENSE.md', 'LICENSE.txt', 'license.md'])
      try {
        text = readFileSync(`node_modules/${name}/${file}`, 'utf8').trim();
        break;
      } catch {}
    parts.push(`${name} ${about.version}\n\n${text}\n`);
  }
  return parts.join(`\n${'-'.repeat(78)}\n\n`);
}
