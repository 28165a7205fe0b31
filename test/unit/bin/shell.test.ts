import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parseCommandLine, splitTarget } from '../../../bin/arguments.ts';
import { beginSearch, type SearchStep, searchKey } from '../../../bin/shell/history-search.ts';
import { type InkKey, keysOf } from '../../../bin/shell/keys.ts';
import { editLine, emptyLine, type Key, type Line } from '../../../bin/shell/line-editor.ts';

const history = ['first', 'second'];
const NO_KEY = { ctrl: false, meta: false } as InkKey;

function typed(...keys: (string | Key)[]): Line {
  let line = emptyLine(history);
  for (const key of keys) {
    const pressed = typeof key === 'string' ? [...key].map((input) => ({ input })) : [key];
    for (const one of pressed) line = editLine(line, one, history);
  }
  return line;
}

const ctrl = (input: string): Key => ({ input, ctrl: true });

test('editing keys do what a shell user expects', () => {
  assert.is(typed('pwd', { input: '', name: 'left' }, 'x').text, 'pwxd');
  assert.is(typed('pread 0 10', ctrl('w'), '20').text, 'pread 0 20');
  assert.is(typed('abc', ctrl('a'), ctrl('k'), 'x', ctrl('y')).text, 'xabc');
  assert.is(typed('a😀', { input: '', name: 'backspace' }).text, 'a');
});

test('history goes up to the first line and back to the draft', () => {
  const up = { input: '', name: 'up' } as const;
  const down = { input: '', name: 'down' } as const;
  assert.is(typed('draft', up).text, 'second');
  assert.is(typed('draft', up, up, up).text, 'first');
  assert.is(typed('draft', up, up, down, down).text, 'draft');
});

test('ctrl-r finds the newest line that holds what is typed, then older ones', () => {
  const lines = ['pread 0 4k', 'stat', 'pread -v 0 16', 'fsync'];
  const after = (...keys: (string | Key)[]) => {
    let step: SearchStep = { search: beginSearch(emptyLine(lines)), line: emptyLine(lines), again: false };
    for (const key of keys.flatMap((one) => (typeof one === 'string' ? [...one].map((input) => ({ input })) : [one])))
      if (step.search !== null) step = searchKey(step.search, step.line, key, lines);
    return step;
  };
  assert.is(after('pre').line.text, 'pread -v 0 16');
  assert.is(after('pre', ctrl('r')).line.text, 'pread 0 4k');
  assert.is(after('pre', ctrl('r'), ctrl('r')).line.text, 'pread 0 4k');
  assert.ok(after('pre', ctrl('r'), ctrl('r')).search?.failed);
  assert.is(after('pread 0', { input: '', name: 'backspace' }, '-').line.text, 'pread -v 0 16');
  assert.is(after('sta', ctrl('g')).line.text, '');
  const entered = after('sta', { input: '', name: 'enter' });
  assert.equal([entered.line.text, entered.search, entered.again], ['stat', null, true]);
});

test('a piece of input with many keys is taken apart', () => {
  assert.equal(
    keysOf('ls\t\u001b[A\u0001\r', NO_KEY).map(({ input, name, ctrl: held }) => name ?? (held ? `^${input}` : input)),
    ['l', 's', 'tab', 'up', '^a', 'enter'],
  );
});

test('a target is an image, or an image and a path', () => {
  assert.equal(splitTarget('disk.img', []), { image: 'disk.img', path: null });
  assert.equal(splitTarget('disk.img:/a/b', []), { image: 'disk.img', path: '/a/b' });
  assert.equal(splitTarget('disk.img:/a:/b', []), { image: 'disk.img', path: '/a:/b' });
  assert.equal(splitTarget('C:/disk.img:/a', []), { image: 'C:/disk.img', path: '/a' });
  assert.equal(splitTarget('nbd://host/disk:/a', []), { image: 'nbd://host/disk', path: '/a' });
  assert.equal(splitTarget('/mnt/a', [{ dir: '/mnt', image: 'disk.img' }]), { image: 'disk.img', path: '/a' });
  assert.equal(splitTarget('/mnt', [{ dir: '/mnt', image: 'disk.img' }]), { image: 'disk.img', path: '/' });
});

test('options as xfs_io takes them', () => {
  const line = parseCommandLine(['-rc', 'stat', 'disk.img:/a', '-C', 'sync', '--strict', '-m', '0644']);
  assert.equal(line.commands, [
    { line: 'stat', everyFile: true },
    { line: 'sync', everyFile: false },
  ]);
  assert.equal(line.targets, ['disk.img:/a']);
  assert.is(line.mode, 0o644);
  assert.ok(line.flags.has('r') && line.flags.has('strict'));
  assert.is(parseCommandLine(['--nonsense']).complaint, "unrecognized option '--nonsense'");
});

test.run();
