/** `import { openImage } from 'fsio'`: typed, and the same as the commands. */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { fsio, missingFsio } from '../harness/fsio.ts';
import { unpackImage } from '../harness/images.ts';
import { missingJudges, repairComplaints, run, withMount } from '../harness/kernel.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';

const test = gatedSuite('library', missingJudges() ?? missingFsio());

const PROGRAM = `
import { openImage } from 'fsio';
import type { Change, Extent, FsioError, Image, Result } from 'fsio';

const image: Image = openImage(process.argv[2] as string);
const out: Record<string, unknown> = { format: image.format };
out.tiny = Buffer.from(image.readFile('/tiny')).toString();
out.list = image.list('/').map(({ name }) => name);
const results: Result[] = image.run('stat -r', '/tiny');
out.stat = results;
out.ino = image.stat('/tiny').ino;
image.mkdir('/made');
image.writeFile('/made/a', Buffer.from('from the library'));
const file = image.open('/made/b', { write: true, create: true });
file.reflink('/mib');
file.write(5000, Buffer.from('over'));
file.sync();
const extents: Extent[] = file.extents();
out.extents = extents.length;
file.close();
image.rename('/made/a', '/made/c');
out.fiemap = image.run('fiemap', '/made/b');
try {
  image.readFile('/none');
} catch (error) {
  out.code = (error as FsioError).code;
}
try {
  image.run('pread 0 10', '/none');
} catch (error) {
  out.second = (error as FsioError).code;
}
image.close();
const dry = openImage(process.argv[2] as string, { dryRun: true });
dry.remove('/made/c');
const changes: Change[] = dry.changes();
out.changes = changes.some(({ structure, field }) => structure.startsWith('inode') && field === 'core.nlinkv2');
dry.close();
console.log(JSON.stringify(out));
`;

test('a typed program does with an image what the commands do', () => {
  const dir = scratch(true);
  const image = unpackImage('xfs-default', join(dir, 'a.img'));
  mkdirSync(join(dir, 'node_modules'));
  symlinkSync(process.cwd(), join(dir, 'node_modules', 'fsio'));
  symlinkSync(join(process.cwd(), 'node_modules', '@types'), join(dir, 'node_modules', '@types'));
  writeFileSync(join(dir, 'package.json'), '{"type":"module"}');
  writeFileSync(join(dir, 'program.ts'), PROGRAM);
  const options = [
    '--ignoreConfig',
    '--strict',
    '--module',
    'nodenext',
    '--target',
    'es2023',
    '--types',
    'node',
    '--skipLibCheck',
    '--outDir',
    dir,
  ];
  const compiled = run(join(process.cwd(), 'node_modules', '.bin', 'tsc'), [...options, join(dir, 'program.ts')]);
  assert.is(compiled.status, 0, compiled.stdout + compiled.stderr);
  const expected = JSON.parse(
    fsio(['-r', '--json', '-c', 'stat -r', `${image}:/tiny`]).stdout.replaceAll(`${image}:`, ''),
  );
  const ran = run(process.execPath, [join(dir, 'program.js'), image]);
  assert.is(ran.status, 0, ran.stderr);
  const out = JSON.parse(ran.stdout);
  assert.is(out.format, 'xfs');
  assert.is(out.tiny, 'hello, fsio\n');
  assert.ok(out.list.includes('mib'));
  assert.equal(out.stat, [expected]);
  assert.is(out.ino, 132);
  assert.is(out.code, 'ENOENT');
  assert.is(out.second, 'ENOENT');
  assert.ok(out.extents >= 3);
  assert.ok(out.changes);
  assert.equal(repairComplaints(image), []);
  withMount(image, (mount) => {
    assert.is(readFileSync(join(mount, 'made', 'c'), 'utf8'), 'from the library');
    assert.is(
      readFileSync(join(mount, 'made', 'b'))
        .subarray(5000, 5004)
        .toString(),
      'over',
    );
  });
});

const SCRIPT = ['mkdir /d', 'open -f /d/a', 'pwrite -q 0 100k', 'open -f /d/b', 'reflink /d/a', 'pwrite -q 5000 10'];
const REPEATED = `
import { openImage } from '${join(process.cwd(), 'dist', 'index.js')}';
const image = openImage(process.argv[2], JSON.parse(process.argv[3]));
for (const line of ${JSON.stringify(SCRIPT)}) image.run(line);
image.close();
`;

test('with a time and a seed the bytes are those of the same script', () => {
  const dir = scratch(true);
  writeFileSync(join(dir, 'program.mjs'), REPEATED);
  const bytes = (use: (image: string) => { readonly status: number; readonly stderr: string }) => {
    const image = unpackImage('xfs-default', join(dir, 'b.img'));
    const outcome = use(image);
    assert.is(outcome.status, 0, outcome.stderr);
    return createHash('sha256').update(readFileSync(image)).digest('hex');
  };
  const library = (options: object, env = {}) =>
    bytes((image) => run(process.execPath, [join(dir, 'program.mjs'), image, JSON.stringify(options)], { env }));
  const first = library({ time: 1700000000.5, seed: 7 });
  assert.is(
    bytes((image) => fsio(['--time', '1700000000.5', '--seed', '7', image], `${SCRIPT.join('\n')}\n`)),
    first,
  );
  assert.is(library({ seed: 7 }, { SOURCE_DATE_EPOCH: '1700000000.5' }), first);
  assert.is.not(library({ time: '1700000000.5', seed: 8 }), first);
});

test.run();
