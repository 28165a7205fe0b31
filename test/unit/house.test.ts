/** The import boundaries of the house hold, and the check that says so is not asleep: each one broken is reported. */
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const house = suite('house');
let dir = '';

house.before(() => {
  dir = mkdtempSync(join(tmpdir(), 'fsio-house-'));
  copyFileSync('biome.json', join(dir, 'biome.json'));
  writeFileSync(join(dir, '.gitignore'), 'node_modules/\n');
  symlinkSync(join(process.cwd(), 'node_modules'), join(dir, 'node_modules'));
  execFileSync('git', ['init', '-q'], { cwd: dir });
});

house.after(() => rmSync(dir, { recursive: true, force: true }));

/** Does biome complain of an import of `target` in `file`? */
function refused(file: string, target: string): boolean {
  const path = join(dir, file);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `import { a } from '${target}';\n\nexport const b = a;\n`);
  const run = spawnSync('node_modules/.bin/biome', ['lint', '--colors=off', file], { cwd: dir, encoding: 'utf8' });
  rmSync(path);
  return run.status !== 0 && run.stderr.includes('noRestrictedImports');
}

const FORBIDDEN: readonly (readonly [string, string])[] = [
  ['core/a.ts', '../formats/probe.ts'],
  ['core/vfs/a.ts', '../../commands/session.ts'],
  ['core/iomap/a.ts', '../vfs/path.ts'],
  ['core/device/a.ts', '../iomap/iomap.ts'],
  ['formats/xfs/btree/a.ts', '../../btrfs/tree.ts'],
  ['formats/btrfs/a.ts', '../xfs/mount.ts'],
  ['formats/xfs/a.ts', '../../commands/session.ts'],
  ['commands/a.ts', '../formats/probe.ts'],
  ['commands/mounts.ts', '../formats/xfs/mount.ts'],
  ['commands/a.ts', '../bin/output.ts'],
];

const ALLOWED: readonly (readonly [string, string])[] = [
  ['core/iomap/a.ts', '../vfs/inode.ts'],
  ['formats/xfs/btree/a.ts', '../mount.ts'],
  ['formats/xfs/a.ts', '../../core/vfs/path.ts'],
  ['commands/mounts.ts', '../formats/probe.ts'],
  ['bin/a.ts', '../formats/probe.ts'],
];

for (const [file, target] of FORBIDDEN)
  house(`${file} may not import ${target}`, () => assert.ok(refused(file, target)));
for (const [file, target] of ALLOWED) house(`${file} may import ${target}`, () => assert.not.ok(refused(file, target)));

house('two files that import each other are reported', () => {
  mkdirSync(join(dir, 'core'), { recursive: true });
  writeFileSync(join(dir, 'core/p.ts'), "import { c } from './q.ts';\n\nexport const b = () => c;\n");
  writeFileSync(join(dir, 'core/q.ts'), "import { b } from './p.ts';\n\nexport const c = () => b;\n");
  const run = spawnSync('node_modules/.bin/biome', ['lint', 'core'], { cwd: dir, encoding: 'utf8' });
  assert.match(run.stderr, 'noImportCycles');
});

house.run();
