/**
 * Bundles fsio into dist/. What node runs is CommonJS, which it starts faster than an ES module, and comes with the
 * code that V8 makes of it (main.cache), so that starting does not compile it again; a node that cannot use that
 * compiles as usual. The shell is a separate ES module (ink needs that), loaded only when somebody sits at the prompt.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { unpack } from '../test/images/unpack.mjs';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
mkdirSync('dist', { recursive: true });
// V8 knows its cache by the length of the source alone: a stale one must never stand beside a new source.
rmSync('dist/main.cache', { force: true });
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

const main = await build({
  ...common,
  entryPoints: ['bin/fsio.ts'],
  outfile: 'dist/main.js',
  format: 'cjs',
  minifyWhitespace: true,
  define: { 'import.meta.url': '__filename', FSIO_VERSION: JSON.stringify(version) },
  // The function that node makes of a module; made here, so that starting does not copy the source.
  banner: { js: '(function (exports, require, module, __filename, __dirname) {' },
  footer: { js: '})' },
  plugins: [
    { name: 'shell-apart', setup: shellApart },
    { name: 'node-on-demand', setup: nodeOnDemand },
  ],
});

const shell = await build({
  ...common,
  entryPoints: ['bin/shell/shell.tsx'],
  outfile: 'dist/shell.mjs',
  format: 'esm',
  jsx: 'automatic',
  define: { 'process.env.NODE_ENV': '"production"' },
  alias: { 'react-devtools-core': './bin/shell/no-devtools.mjs' },
  banner: { js: "import { createRequire as __cr } from 'node:module'; const require = __cr(import.meta.url);" },
});

const START = `#!/usr/bin/env node
// Runs main.js with the code that V8 made of it when fsio was built, if this node can use it.
const { readFileSync, writeFileSync } = require('node:fs');
const { Script } = require('node:vm');
const filename = require('node:path').join(__dirname, 'main.js');
const source = readFileSync(filename, 'latin1');
let cachedData;
try {
  cachedData = readFileSync(__dirname + '/main.cache');
} catch {}
const script = new Script(source, { filename, cachedData });
script.runInThisContext()(exports, require, module, filename, __dirname);
const target = process.env.FSIO_BUILD_CACHE;
if (target) process.on('exit', () => writeFileSync(target, script.createCachedData()));
`;

write('dist/fsio.js', START);
write('dist/load-shell.js', "module.exports = () => import('./shell.mjs');\n");
write('dist/package.json', '{ "type": "commonjs" }\n');
write('dist/LICENSES.txt', licences([main.metafile, shell.metafile]));
chmodSync('dist/fsio.js', 0o755);
makeCache();

/** Others may be running what is there: a file is replaced, never rewritten. */
function write(path, text) {
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}

/** Lets fsio do a little of everything on a small image, and keeps the code that this took. */
function makeCache() {
  const dir = mkdtempSync(join(tmpdir(), 'fsio-build-'));
  try {
    const image = join(dir, 'a.img');
    unpack('test/images/xfs-default.img.br', image);
    const commands = ['stat', 'pread -v 0 16', 'fiemap -v', 'bmap', 'seek -a 0', 'ls -p /', 'pwrite -q 0 4k', 'fsync'];
    const args = ['dist/fsio.js', ...commands.flatMap((line) => ['-c', line]), `${image}:/tiny`];
    const env = { ...process.env, FSIO_BUILD_CACHE: join(dir, 'cache') };
    const run = spawnSync(process.execPath, args, { env, encoding: 'utf8' });
    if (run.status !== 0) throw new Error(`the new build does not run: ${run.stderr}`);
    write('dist/main.cache', readFileSync(join(dir, 'cache')));
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Puts the other bundle in the place of `import('./shell/shell.tsx')`. */
function shellApart(bundler) {
  bundler.onResolve({ filter: /\/shell\/shell\.tsx$/ }, () => ({ path: 'shell', namespace: 'apart' }));
  bundler.onResolve({ filter: /^\.\/load-shell\.js$/ }, ({ path }) => ({ path, external: true }));
  const contents = "exports.shell = async (host) => (await require('./load-shell.js')()).shell(host);";
  bundler.onLoad({ filter: /.*/, namespace: 'apart' }, () => ({ contents, loader: 'js', resolveDir: '.' }));
}

/**
 * Modules of node that take long to load and that few commands need, loaded by the first call into them. An import
 * that is not listed here does not build.
 */
function nodeOnDemand(bundler) {
  const onDemand = {
    'node:crypto': "export const createHash = (...args) => require('node:crypto').createHash(...args);",
    'node:os': "export const freemem = () => require('node:os').freemem();",
    'node:module': 'export const createRequire = () => require;',
  };
  bundler.onResolve({ filter: /^node:(crypto|os|module)$/ }, ({ path, namespace }) =>
    namespace === 'on-demand' ? { path, external: true } : { path, namespace: 'on-demand' },
  );
  bundler.onLoad({ filter: /.*/, namespace: 'on-demand' }, ({ path }) => ({ contents: onDemand[path], loader: 'js' }));
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
