/** Completion scripts and the man page, judged by the shells and by groff and man. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { fsio, missingFsio } from '../harness/fsio.ts';
import { run } from '../harness/kernel.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';

const absent = (...tools: string[]): string | null => {
  const missing = tools.filter((tool) => run('sh', ['-c', `command -v ${tool}`]).status !== 0);
  return missing.length === 0 ? null : `needs ${missing.join(', ')}`;
};

function script(shell: string): string {
  const { stdout, status } = fsio(['--completion', shell]);
  assert.is(status, 0);
  const path = join(scratch(), `fsio.${shell}`);
  writeFileSync(path, stdout);
  return path;
}

/** What bash offers for a line. */
function bashOffers(line: readonly string[]): string[] {
  const words = line.map((word) => `'${word}'`).join(' ');
  const program = `source ${script('bash')}; COMP_WORDS=(${words}); COMP_CWORD=${line.length - 1}; _fsio; printf '%s\\n' "\${COMPREPLY[@]}"`;
  return run('bash', ['-c', program]).stdout.trim().split('\n');
}

const bash = gatedSuite('bash completion', missingFsio() ?? absent('bash'));
bash('options and commands are offered', () => {
  assert.equal(bashOffers(['fsio', '--over']), ['--overlay']);
  assert.equal(bashOffers(['fsio', '-c', 'refl']), ['reflink']);
  assert.ok(bashOffers(['fsio', '-c', 'fs']).includes('fsmap'), 'words of formats too');
});
bash.run();

const zsh = gatedSuite('zsh completion', missingFsio() ?? absent('zsh'));
zsh('the script is one that zsh reads', () => {
  const outcome = run('zsh', [
    '-f',
    '-c',
    `autoload -Uz compinit; compinit -u -D; source ${script('zsh')}; print $_comps[fsio]`,
  ]);
  assert.is(outcome.stderr, '');
  assert.is(outcome.stdout.trim(), '_fsio');
});
zsh.run();

const fish = gatedSuite('fish completion', missingFsio() ?? absent('fish'));
fish('options and commands are offered', () => {
  const ask = (line: string) => run('fish', ['-N', '-c', `source ${script('fish')}; complete -C '${line}'`]).stdout;
  assert.match(ask('fsio --over'), '--overlay');
  assert.match(ask('fsio -c refl'), 'reflink');
});
fish.run();

const manual = gatedSuite('man page', missingFsio() ?? absent('man', 'groff'));
manual('groff has nothing to say of it, and every command is in it', () => {
  const path = join(scratch(), 'fsio.1');
  writeFileSync(path, fsio(['--man']).stdout);
  assert.is(run('groff', ['-man', '-ww', '-z', path]).stderr, '');
  const shown = run('man', ['-l', path], { env: { MANWIDTH: '80', LC_ALL: 'C.UTF-8' } }).stdout;
  for (const word of ['pwrite', 'reflink', 'fsmap', 'dump-tree', '--overlay', 'EXIT STATUS']) assert.match(shown, word);
});
manual('what there is no completion for is said', () => {
  assert.match(fsio(['--completion', 'csh']).stderr, 'only for bash, zsh, fish');
});
manual.run();
