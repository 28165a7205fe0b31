/**
 * Bundles the program into CommonJS parts that load one another when they are first needed: what only some commands
 * need costs nothing when fsio starts. esbuild splits ES modules only, so they are split as such and rewritten.
 *
 * A module becomes a part by its place in ON_DEMAND. Whoever imports it gets stand-ins for its functions; the first
 * call loads the part and puts the real functions in their place. Only functions can be waited for like this: an
 * import of anything else from such a module does not build.
 */
import { readFileSync } from 'node:fs';
import { basename, relative } from 'node:path';
import { build } from 'esbuild';

/** Modules that start a part. */
const ON_DEMAND = [
  'commands/map/(build|draw)',
  'core/device/(nbd|overlay)/open',
  'core/device/(part|partition)',
  'formats/btrfs/filesystem',
  'formats/btrfs/changes/describe',
  'formats/xfs/(exchange|reflink|space|truncate|bmap-alloc|cow|delalloc|make-room|shift|bmap-edit|prealloc)',
  'formats/xfs/names/(create|inactive|remove|rename|set-attr)',
  'formats/xfs/attr/(set|read)',
  'formats/xfs/alloc/(alloc|btree-blocks|cow-leftovers|free|freelist|refcount|rmap-records)',
  'formats/xfs/btree/(insert|delete)',
  'formats/xfs/log/(checkpoint|in-place|stale|superblock-log)',
  'formats/xfs/log/recover/open',
  'formats/xfs/words/words',
  'formats/xfs/inspect/space-map',
  'formats/xfs/changes/describe',
  'formats/xfs/(label|symlink|trans|inode-write)',
];
const onDemand = new RegExp(`^(${ON_DEMAND.join('|')})\\.ts$`);

/**
 * Modules of node that take long to load and that few commands need, loaded by the first call into them. An import
 * that is not listed here does not build.
 */
const NODE_ON_DEMAND = {
  'node:crypto': "export const createHash = (...args) => require('node:crypto').createHash(...args);",
  'node:os': "export const freemem = () => require('node:os').freemem();",
  'node:module': 'export const createRequire = () => require;',
};

/**
 * The files of the program, name and source each. A file holds parts, as functions under their names; `main` has all
 * that starting takes and begins with the part `main/0`. What the other files are named after: a format, or `more`.
 */
export async function bundle(options) {
  const { outputFiles, metafile } = await build({
    ...options,
    entryPoints: { main: 'bin/fsio.ts' },
    outdir: 'dist',
    write: false,
    splitting: true,
    format: 'esm',
    minifyWhitespace: true,
    plugins: [
      { name: 'shell-apart', setup: shellApart },
      { name: 'on-demand', setup: modulesOnDemand },
      { name: 'node-on-demand', setup: nodeOnDemand },
    ],
  });
  const names = partNames(metafile.outputs);
  const files = new Map();
  for (const { path, text } of outputFiles) {
    const name = names.get(basename(path));
    const file = `${name.split('/')[0]}.js`;
    const source = `${JSON.stringify(name)}(module,require,part,__filename){${asCommonJs(text, names)}}`;
    files.set(file, [...(files.get(file) ?? []), source]);
  }
  return { files: [...files].map(([name, sources]) => ({ name, source: `({${sources.join(',')}})` })), metafile };
}

/** FILE/NUMBER for each of esbuild's outputs: first by what starting takes, then by the format that asks for it. */
function partNames(outputs) {
  const names = new Map();
  let count = 0;
  const claim = (path, file) => {
    const known = names.get(basename(path));
    // The stand-ins' parts, and what two formats share, belong to nobody in particular.
    if (known !== undefined && (known.startsWith('main/') || known.startsWith(`${file}/`))) return;
    names.set(basename(path), `${known === undefined ? file : 'more'}/${count++}`);
    for (const { path: next, kind, external } of outputs[path].imports)
      if (kind === 'import-statement' && !external) claim(next, known === undefined ? file : 'more');
  };
  claim('dist/main.js', 'main');
  for (const [path, { entryPoint }] of Object.entries(outputs))
    if (entryPoint && path !== 'dist/main.js') claim(path, /^formats\/(\w+)\//.exec(entryPoint)?.[1] ?? 'more');
  return names;
}

/** Puts the other bundle in the place of `import('./shell/shell.tsx')`. */
function shellApart(bundler) {
  bundler.onResolve({ filter: /\/shell\/shell\.tsx$/ }, () => ({ path: 'shell', namespace: 'apart' }));
  bundler.onResolve({ filter: /^\.\/load-shell\.js$/ }, ({ path }) => ({ path, external: true }));
  const contents =
    "export const startShell = async (...args) => (await require('./load-shell.js')()).startShell(...args);";
  bundler.onLoad({ filter: /.*/, namespace: 'apart' }, () => ({ contents, loader: 'js', resolveDir: '.' }));
}

function modulesOnDemand(bundler) {
  bundler.onResolve({ filter: /^\.\.?\/.*\.ts$/ }, async ({ path, kind, importer, resolveDir, pluginData }) => {
    if (kind !== 'import-statement' || pluginData === 'real') return null;
    if (onDemand.test(relative(process.cwd(), importer))) return null;
    const { path: file } = await bundler.resolve(path, { kind, importer, resolveDir, pluginData: 'real' });
    return onDemand.test(relative(process.cwd(), file)) ? { path: file, namespace: 'stand-in' } : null;
  });
  bundler.onLoad({ filter: /.*/, namespace: 'stand-in' }, ({ path }) => {
    const names = [...readFileSync(path, 'utf8').matchAll(/^export (?:async )?function\*? (\w+)/gm)].map(
      ([, name]) => name,
    );
    const put = names.map((name) => `${name} = real.${name};`).join(' ');
    // Another part may keep the stand-in: it must stay cheap.
    const standIn = (name) => `export let ${name} = (...args) => { if (!real) load(); return ${name}(...args); };`;
    const load = `let real; function load() { real = __part(import(${JSON.stringify(path)})); ${put} }`;
    const contents = [load, ...names.map(standIn)].join('\n');
    return { contents, loader: 'js', resolveDir: process.cwd() };
  });
}

function nodeOnDemand(bundler) {
  bundler.onResolve({ filter: /^node:(crypto|os|module)$/ }, ({ path, namespace }) =>
    namespace === 'node-on-demand' ? { path, external: true } : { path, namespace: 'node-on-demand' },
  );
  bundler.onLoad({ filter: /.*/, namespace: 'node-on-demand' }, ({ path }) => ({
    contents: NODE_ON_DEMAND[path],
    loader: 'js',
  }));
}

/** An ES module of esbuild's, its whitespace minified, as the body of a CommonJS function. */
function asCommonJs(text, names) {
  const binding = (list) => list.replaceAll(/([\w$]+) as ([\w$]+)/g, '$1:$2');
  const part = (file) => `part(${JSON.stringify(names.get(file.slice(2)))})`;
  const from = (file) => (file.startsWith('./') ? part(file) : `require("${file}")`);
  return text
    .replaceAll(/import\{([^}]*)\}from"([^"]+)";/g, (_, list, file) => `const{${binding(list)}}=${from(file)};`)
    .replaceAll(/import\s*\*\s*as ([\w$]+) from"([^"]+)";/g, (_, name, file) => `const ${name}=${from(file)};`)
    .replaceAll(/import ([\w$]+) from"([^"]+)";/g, (_, name, file) => `const ${name}=${from(file)};`)
    .replaceAll(/import"([^"]+)";/g, (_, file) => `${from(file)};`)
    .replaceAll(/__part\(import\("([^"]+)"\)\)/g, (_, file) => part(file))
    .replaceAll(/\bimport\("(\.\/[^"]+)"\)/g, (_, file) => `Promise.resolve(${part(file)})`)
    .replaceAll(/export\{([^}]*)\};/g, (_, list) => exported(list));
}

/** Getters, as the exports of ES modules: a stand-in may not be the last to have its name. */
function exported(list) {
  const getters = list.split(',').map((item) => {
    const [name, as = name] = item.split(' as ');
    return `get ${as}(){return ${name}}`;
  });
  return `module.exports={${getters.join(',')}};`;
}
