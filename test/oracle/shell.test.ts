// time limit: 240 s
/** The shell on a real terminal (tmux): keys go in, the screen comes out. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { missingFsio } from '../harness/fsio.ts';
import { unpackImage } from '../harness/images.ts';
import { missingJudges, must, repairComplaints, run } from '../harness/kernel.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';

const missing = missingJudges() ?? missingFsio() ?? (run('which', ['tmux']).status === 0 ? null : 'needs tmux');
const test = gatedSuite('shell', missing);
const program = process.env.FSIO_PROGRAM ?? join(process.cwd(), 'dist', 'fsio.js');

class Terminal {
  readonly image: string;
  readonly dir: string;
  private readonly name: string;

  constructor(
    options: { columns?: number; rows?: number; env?: string; args?: string; image?: string; dir?: string } = {},
  ) {
    this.dir = options.dir ?? scratch(true);
    this.image = options.image ?? unpackImage('xfs-default', join(this.dir, 'a.img'));
    // Not the name of the server before: that one may still be on its way out.
    this.name = join(this.dir, `tmux-${process.hrtime.bigint()}`);
    const env = `LC_ALL=C.UTF-8 XDG_STATE_HOME=${this.dir} ${options.env ?? ''}`;
    const command = `cd ${this.dir}; env ${env} ${process.execPath} ${program} ${options.args ?? ''} a.img; echo status $?; cat`;
    const size = ['-x', String(options.columns ?? 80), '-y', String(options.rows ?? 24)];
    must('tmux', '-u', '-S', this.name, '-f', '/dev/null', 'new-session', '-d', ...size, command);
    // Before scratch()'s own handler: it removes the socket.
    process.prependListener('exit', () => run('tmux', ['-S', this.name, 'kill-server']));
  }

  keys(...keys: string[]): this {
    must('tmux', '-S', this.name, 'send-keys', '--', ...keys);
    return this;
  }

  screen(): string {
    return Buffer.from(must('tmux', '-u', '-S', this.name, 'capture-pane', '-p'), 'latin1').toString('utf8');
  }

  /** Waits until the screen matches. */
  until(pattern: RegExp, seconds = 20): this {
    const end = Date.now() + seconds * 1000;
    for (;;) {
      const screen = this.screen();
      if (pattern.test(screen)) return this;
      if (Date.now() > end) throw new Error(`no ${pattern} on the screen:\n${screen}`);
      run('sleep', ['0.05']);
    }
  }

  resize(columns: number, rows: number): this {
    must('tmux', '-S', this.name, 'resize-window', '-x', String(columns), '-y', String(rows));
    return this;
  }

  quit(): void {
    this.keys('C-u', 'quit', 'Enter').until(/^status \d$/m);
    run('tmux', ['-S', this.name, 'kill-server']);
  }
}

test('commands, completion of words and paths, hints, history across sessions', () => {
  const terminal = new Terminal();
  terminal
    .until(/^a\.img>/m)
    .keys('sta')
    .until(/^a\.img> sta/m);
  terminal.keys('C-u', 'pwri').until(/pwrite .*off len/);
  terminal.keys('C-u', 'open ti', 'Tab').until(/open tiny/);
  terminal.keys('Enter').until(/^tiny>/m);
  terminal.keys('pread -v 0 5', 'Enter').until(/68 65 6c 6c 6f {2}hello/);
  terminal.quit();
  const again = new Terminal({ dir: terminal.dir, image: terminal.image });
  again
    .until(/^a\.img>/m)
    .keys('Up', 'Up')
    .until(/^a\.img> pread -v 0 5/m);
  again.keys('C-u', 'C-r', 'open').until(/^\(earlier line with 'open'\) open tiny/m);
  again.keys('Enter').until(/^tiny>/m);
  again.keys('C-a', 'C-k', 'nonsense', 'Enter').until(/command "nonsense" not found/);
  again.quit();
});

test('a long command: progress with rate and time left, keys answered, Ctrl-C ends it, the image is sound', () => {
  const terminal = new Terminal();
  terminal
    .until(/^a\.img>/m)
    .keys('open -f /big', 'Enter')
    .until(/^\/big>/m);
  terminal.keys('pwrite -b 512 0 250m', 'Enter');
  terminal.until(/pwrite \d+%, .* of 250 MiB, .*\/s, .* left \(ctrl-c stops\)/);
  const begin = performance.now();
  terminal.keys('typed').until(/typed/);
  process.stdout.write(
    `# a key while a command runs: on the screen after ${(performance.now() - begin).toFixed(0)} ms\n`,
  );
  terminal.keys('C-u', 'C-c').until(/pwrite: Interrupted system call/);
  terminal.keys('stat -r', 'Enter').until(/stat\.size = \d+/);
  terminal.quit();
  assert.equal(repairComplaints(terminal.image), []);
});

test('a reflink of many extents is ended by Ctrl-C between two extents', () => {
  const terminal = new Terminal();
  terminal
    .until(/^a\.img>/m)
    .keys('open -f /many', 'Enter')
    .until(/^\/many>/m);
  // Every second block written: as many extents as blocks.
  const script: string[] = [];
  for (let i = 0; i < 12000; i++) script.push(`pwrite -q ${i * 8192} 4k`);
  terminal.keys('quit', 'Enter').until(/^status 0$/m);
  const made = run(process.execPath, [program, terminal.image], {
    input: ['open -f /many', ...script].join('\n'),
    seconds: 120,
  });
  assert.is(made.status, 0, made.stderr);
  const again = new Terminal({ dir: terminal.dir, image: terminal.image });
  again
    .until(/^a\.img>/m)
    .keys('open -f /copy', 'Enter')
    .until(/^\/copy>/m);
  again.keys('reflink /many', 'Enter', 'C-c');
  again.until(/^\/copy> ?$/m, 60);
  again.keys('stat -r', 'Enter').until(/stat\.size = \d+/);
  again.quit();
  assert.equal(repairComplaints(again.image), []);
});

test('long output pages', () => {
  const terminal = new Terminal({ rows: 12 });
  terminal
    .until(/^a\.img>/m)
    .keys('ls', 'Enter')
    .until(/-- more --/);
  terminal.keys('Enter').until(/-- more --/);
  terminal.keys('q').until(/^a\.img> ?$/m);
  terminal.keys('ls dir/node', 'Enter').until(/-- more --/);
  terminal.keys('q').until(/^a\.img> ?$/m);
  terminal.quit();
});

test('map and browse are moved through with keys, also after a resize', () => {
  const terminal = new Terminal();
  terminal
    .until(/^a\.img>/m)
    .keys('map /sparse', 'Enter')
    .until(/file \|#\.\.~/);
  terminal.until(/unwritten: 100 KiB in 2 pieces/);
  terminal.keys('Right', 'Right').until(/hole \d+\.\.\d+/);
  terminal.keys('+').until(/q leaves/);
  terminal.resize(40, 16).until(/^file \|.{33}\|$|^file \|.{32}\|$/m);
  terminal
    .resize(80, 24)
    .keys('q')
    .until(/^a\.img> ?$/m);
  terminal.keys('map', 'Enter').until(/ag 3 \|/);
  terminal.keys('Down', 'Down').until(/^ag 2 \d+\.\.\d+/m);
  terminal.keys('q').until(/^a\.img> ?$/m);
  terminal.keys('browse', 'Enter').until(/dir\//);
  terminal.keys('Down', 'Enter').until(/^\/dir$/m);
  terminal.keys('Left').until(/^\/$/m);
  terminal.keys('q').until(/^a\.img> ?$/m);
  terminal.quit();
});

test('40 columns, NO_COLOR, TERM=dumb', () => {
  const narrow = new Terminal({ columns: 40, rows: 20, env: 'NO_COLOR=1' });
  narrow
    .until(/^a\.img>/m)
    .keys('pwrite ')
    .until(/^a\.img> pwrite/m);
  for (const line of narrow.screen().split('\n')) assert.ok(line.length <= 40, line);
  narrow.keys('C-u', 'map /sparse', 'Enter').until(/q leaves/);
  narrow.keys('q').until(/^a\.img> ?$/m);
  narrow.quit();
  const dumb = new Terminal({ env: 'TERM=dumb' });
  dumb
    .until(/^a\.img>/m)
    .keys('open tiny', 'Enter')
    .until(/^tiny>/m);
  dumb.keys('pread -v 0 5', 'Enter').until(/68 65 6c 6c 6f/);
  assert.not.match(dumb.screen(), '\u001b');
  dumb.keys('quit', 'Enter').until(/^status 0$/m);
});

test('undo takes back the last change; a dry run says in the end what would have changed', () => {
  const terminal = new Terminal({ args: '--dry-run', rows: 40 });
  terminal
    .until(/^a\.img>/m)
    .keys('mkdir /made', 'Enter')
    .until(/^a\.img> ?$/m);
  terminal.keys('mkdir /made/inner', 'Enter', 'undo', 'Enter').until(/undone: mkdir \/made\/inner/);
  terminal.keys('ls /made', 'Enter', 'undo', 'Enter').until(/undone: mkdir \/made$/m);
  terminal.keys('undo', 'Enter').until(/nothing to undo/);
  terminal.keys('quit', 'Enter').until(/would not change/);
});

test('one-shot runs on a terminal show progress, and leave no trace of it', () => {
  const dir = scratch(true);
  unpackImage('xfs-default', join(dir, 'a.img'));
  const socket = join(dir, 'tmux');
  const command = `cd ${dir}; ${process.execPath} ${program} -f -c 'pwrite -q -b 100 0 120m' a.img:/big; echo status $?; cat`;
  must('tmux', '-S', socket, '-f', '/dev/null', 'new-session', '-d', '-x', '80', '-y', '10', command);
  // Before scratch()'s own handler: it removes the socket.
  process.prependListener('exit', () => run('tmux', ['-S', socket, 'kill-server']));
  let seen = '';
  for (let i = 0; i < 400 && !/status/.test(seen); i++) {
    const screen = must('tmux', '-S', socket, 'capture-pane', '-p');
    if (/pwrite \d+%/.test(screen)) seen = `progress ${seen}`;
    if (/status/.test(screen)) seen += screen;
    run('sleep', ['0.05']);
  }
  assert.match(seen, /^progress/);
  assert.not.match(seen.replace(/progress/g, ''), '%');
  assert.ok(existsSync(join(dir, 'a.img')) && readFileSync(join(dir, 'a.img')).length > 0);
});

test.run();
