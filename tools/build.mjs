/**
 * Bundles fsio into dist/. fsio.js is CommonJS, because node starts it faster than an ES module; the shell is a
 * separate ES module (ink needs that), loaded only when somebody sits at the prompt.
 */
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { build } from 'esbuild';

const root = new URL('..', import.meta.url);
process.chdir(root.pathname);
mkdirSync('dist', { recursive: true });
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
  outfile: 'dist/fsio.js',
  format: 'cjs',
  define: { 'import.meta.url': '__bundleUrl', FSIO_VERSION: JSON.stringify(version) },
  banner: { js: "#!/usr/bin/env node\nconst __bundleUrl = require('node:url').pathToFileURL(__filename).href;" },
  plugins: [{ name: 'shell-apart', setup: shellApart }],
});

const shell = await build({
  ...common,
  entryPoints: ['bin/shell/shell.tsx'],
  outfile: 'dist/shell.mjs',
  format: 'esm',
  jsx: 'automatic',
  define: { 'process.env.NODE_ENV': '"production"' },
  alias: { 'react-devtools-core': './tools/no-devtools.mjs' },
  banner: { js: "import { createRequire as __cr } from 'node:module'; const require = __cr(import.meta.url);" },
});

writeFileSync('dist/package.json', '{ "type": "commonjs" }\n');
writeFileSync('dist/LICENSES.txt', licences([main.metafile, shell.metafile]));
chmodSync('dist/fsio.js', 0o755);

/** Leaves `import('./shell/shell.tsx')` as an import of the other bundle. */
function shellApart(bundler) {
  bundler.onResolve({ filter: /\/shell\/shell\.tsx$/ }, () => ({ path: './shell.mjs', external: true }));
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
