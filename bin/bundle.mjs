/**
 * Bundles the program into CommonJS parts that load one another when they are first needed: what only some commands
 * need costs nothing when fsio starts. esbuild splits ES modules only, so they are split as such and rewritten.
 *
 * A module becomes a part by its place in ON_DEMAND. Whoever imports it gets stand-ins for its functions, classes and
 * commands; the first use loads the part and puts the real ones in their place. Only these can be waited for like
 * this: an import of anything else from such a module does not build. Modules in ON_DEMAND import one another as they
 * are, so that no stand-in comes between them where it is hot.
 */
import { readFileSync } from 'node:fs';
import { basename, relative } from 'node:path';
import { build } from 'esbuild';

/** Modules of commands: what the registry takes from them is loaded when such a command runs. */
const FAMILIES = [
  'advice|attributes|bmap|browse|cd|cmp|copy|cp|diff|fiemap|flags|label|ls|manifest|map|mmap|names|open|overlay|pread',
  'prealloc|process|pwrite|quit|readdir|reflink|seek|shutdown|source|stat|statx|sum|swapfile|sync|transfer|tree',
  'truncate|xattr',
].join('|');

/**
 * What runs that only look at a file need: parts in files of their own, `main` what nearly every run needs, `reading`
 * what asking for a file's mappings needs, `names` what finding a name in a directory with blocks needs. The parts of
 * a file import one another as they are, and of all else stand-ins.
 */
const READING = {
  main: /^(commands\/(ls|open|stat)|formats\/xfs\/dir\/(form|geometry|hash|lookup|read|short-edit))\.ts$/,
  reading:
    /^(commands\/(bmap|fiemap|pread)|core\/iomap\/(read|readahead)|formats\/xfs\/(alloc\/refcount|bmap-fork|btree\/(ag-cursor|bmbt|cursor|free-space|keys|kind|refcount)|fork-view|iomap(-mapping|-read)?|report-extents|shared|verify\/(ag|btree)))\.ts$/,
  names:
    /^formats\/xfs\/(da\/(block|recent|tree)|dir\/(block-edit|data-space|free-index|index-entries|leaf-edit|node-edit)|verify\/dir-(data|leaf))\.ts$/,
};

/** Modules that start a part. */
const ON_DEMAND = [
  'commands/map/(build|draw)',
  `commands/(${FAMILIES})`,
  'core/device/(block|early-flush|neighbours|part|partition|qemu)',
  'core/device/(nbd|overlay)/open',
  'core/iomap/(bmap|dax|direct|read|readahead|seek|swapfile|trace|write|writeback)',
  'formats/btrfs/(bare|filesystem|superblock)',
  'formats/btrfs/changes/describe',
  'formats/ext4/filesystem',
  'formats/gfs2/(filesystem|inspect/space-map|words/words)',
  'formats/ext4/inspect/space-map',
  'formats/ext4/words/words',
  'formats/xfs/(alloc|attr|btree|da|dir|names|rt)/.*',
  'formats/xfs/(bmap-.*|cow|delalloc|exchange|iomap.*|label|make-room|prealloc|reflink|release|report-extents|reservations)',
  'formats/xfs/(shift|space|statfs|symlink|trans|truncate|inode-write|writeback|fork-view|inode-hints|shared)',
  'formats/foreign',
  'formats/xfs/changes/describe',
  'formats/xfs/inspect/space-map',
  'formats/xfs/quota/(count|dquot|limits|usage)',
  'formats/xfs/log/(checkpoint|in-place|record-writer|stale|superblock-log)',
  'formats/xfs/log/recover/open',
  'formats/xfs/verify/(ag|attr|btree|dir-data|dir-leaf|dquot|symlink)',
  'formats/xfs/words/words',
];
const onDemand = new RegExp(`^(${ON_DEMAND.join('|')})\\.ts$`);
const FAMILY = new RegExp(`/commands/(${FAMILIES})\\.ts$`);

/**
 * Modules of node that take long to load and that few commands need, loaded by the first call into them. An import
 * that is not listed here does not build.
 */
const NODE_ON_DEMAND = {
  'node:child_process': "export const spawnSync = (...args) => require('node:child_process').spawnSync(...args);",
  'node:crypto': "export const createHash = (...args) => require('node:crypto').createHash(...args);",
  'node:os':
    "export const totalmem = () => require('node:os').totalmem(); export const tmpdir = () => require('node:os').tmpdir();",
  'node:v8': "export const setFlagsFromString = (flags) => require('node:v8').setFlagsFromString(flags);",
  'node:tty': "export const isatty = (fd) => require('node:tty').isatty(fd);",
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
  checkStart(metafile.outputs, names);
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
    if (known !== undefined && [...Object.keys(READING), file].includes(known.split('/')[0])) return;
    names.set(basename(path), `${known === undefined ? file : 'more'}/${count++}`);
    for (const { path: next, kind, external } of outputs[path].imports)
      if (kind === 'import-statement' && !external) claim(next, known === undefined ? file : 'more');
  };
  claim('dist/main.js', 'main');
  const entries = Object.entries(outputs).map(([path, { entryPoint }]) => [path, fileOf(entryPoint)]);
  for (const reading of Object.keys(READING))
    for (const [path, file] of entries) if (file === reading) claim(path, file);
  for (const [path, file] of entries) if (file !== null) claim(path, file);
  return names;
}

/** One import is enough to make every start load a whole format, or a large module of node. */
function checkStart(outputs, names) {
  for (const [path, { inputs, imports }] of Object.entries(outputs)) {
    if (!names.get(basename(path)).startsWith('main/')) continue;
    const stray = Object.keys(inputs).find((module) =>
      /^formats\/(btrfs|(ext4|gfs2)(?!\/magic))\/|^core\/iomap\/write/.test(module),
    );
    if (stray !== undefined) throw new Error(`every start would load ${stray}: what imports it belongs into ON_DEMAND`);
    const large = imports.find(
      ({ path: name, kind, external }) =>
        external && kind === 'import-statement' && !/^node:(buffer|fs|path)$/.test(name),
    );
    if (large !== undefined) throw new Error(`every start would load ${large.path}: it belongs into NODE_ON_DEMAND`);
  }
}

/** The file of a module that reading needs, or null. */
function readingFile(module) {
  return Object.keys(READING).find((file) => READING[file].test(module)) ?? null;
}

/** The file for a part that is loaded on demand; null for what only other parts ask for. */
function fileOf(entryPoint) {
  if (!entryPoint) return null;
  const reading = readingFile(entryPoint);
  if (reading !== null) return reading;
  const [floor, format] = entryPoint.split('/');
  return floor === 'formats' ? format : floor === 'commands' ? floor : 'more';
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
    const from = relative(process.cwd(), importer);
    if (onDemand.test(from) && readingFile(from) === null) return null;
    const { path: file } = await bundler.resolve(path, { kind, importer, resolveDir, pluginData: 'real' });
    const to = relative(process.cwd(), file);
    if (!onDemand.test(to) || (readingFile(from) !== null && readingFile(from) === readingFile(to))) return null;
    checkClasses(importer, file);
    return { path: file, namespace: 'stand-in' };
  });
  bundler.onLoad({ filter: /.*/, namespace: 'stand-in' }, async ({ path }) => {
    const names = exportsOf(path, /^export (?:async )?function\*? (\w+)/gm);
    const classes = exportsOf(path, /^export class (\w+)/gm);
    const put = [...names, ...classes].map((name) => `${name} = real.${name};`).join(' ');
    const commands = FAMILY.test(path) ? await commandsOf(path) : [];
    // Another part may keep the stand-in: it must stay cheap.
    const standIn = (name) => `export let ${name} = (...args) => { if (!real) load(); return ${name}(...args); };`;
    const load = `let real; function load() { real = __part(import(${JSON.stringify(path)})); ${put} return real; }`;
    const classStandIn = (name) =>
      `export let ${name} = function (...args) { if (!real) load(); return new ${name}(...args); };`;
    const contents = [load, ...names.map(standIn), ...classes.map(classStandIn), ...commands.map(commandStandIn)];
    if (commands.length > 0) contents.unshift("import { later } from 'later';", 'const $real = () => real ?? load();');
    return { contents: contents.join('\n'), loader: 'js', resolveDir: process.cwd() };
  });
  bundler.onResolve({ filter: /^later$/ }, () => ({ path: 'later', namespace: 'later' }));
  bundler.onLoad({ filter: /.*/, namespace: 'later' }, () => ({ contents: LATER, loader: 'js' }));
}

const exportsOf = (path, pattern) => [...readFileSync(path, 'utf8').matchAll(pattern)].map(([, name]) => name);

/** The stand-in of a class is good for `new`, and for no more. */
function checkClasses(importer, file) {
  const source = readFileSync(importer, 'utf8');
  for (const name of exportsOf(file, /^export class (\w+)/gm))
    if (new RegExp(`\\b(instanceof|extends) ${name}\\b|\\b${name}\\.\\w`).test(source))
      throw new Error(
        `${importer} needs more of the class ${name} than its constructor: ${file} cannot load on demand`,
      );
}

/** The commands that a module declares: the export of each, its name and its short name. */
async function commandsOf(path) {
  const options = { bundle: true, platform: 'node', format: 'esm', packages: 'external', write: false };
  const { outputFiles } = await build({ ...options, entryPoints: [path], logLevel: 'silent' });
  const source = Buffer.from(outputFiles[0].contents).toString('base64');
  const exported = await import(`data:text/javascript;base64,${source}`);
  return Object.entries(exported)
    .filter(([, value]) => typeof value?.run === 'function')
    .map(([key, { name, alias }]) => ({ key, name, alias }));
}

/** A command that knows its names only, until anything else is asked of it: then it becomes the real one. */
function commandStandIn({ key, name, alias }) {
  return `export const ${key} = later(${JSON.stringify(name)}, ${JSON.stringify(alias)}, $real, ${JSON.stringify(key)});`;
}
const LATER = `const SOURCE = Symbol();
const unknown = new Proxy({}, { get: (_, asked, spec) => become(spec, spec[SOURCE])[asked] });
function Later(name, alias, source) {
  this.name = name;
  this.alias = alias;
  this[SOURCE] = source;
}
Later.prototype = unknown;
const become = (spec, { get, key }) => Object.assign(Object.setPrototypeOf(spec, Object.prototype), get()[key]);
export const later = (name, alias, get, key) => new Later(name, alias, { get, key });
`;

function nodeOnDemand(bundler) {
  const filter = new RegExp(`^(${Object.keys(NODE_ON_DEMAND).join('|')})$`);
  bundler.onResolve({ filter }, ({ path, namespace }) =>
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
