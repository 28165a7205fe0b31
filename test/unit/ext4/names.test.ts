/** Hashes of names against those that debugfs's dx_hash prints, and folded names against Unicode's own examples. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { matcherWithoutKey, withoutKey } from '../../../formats/ext4/dir/encrypted-name.ts';
import { foldName } from '../../../formats/ext4/dir/fold.ts';
import { HashVersion, NameHasher } from '../../../formats/ext4/dir/hash.ts';

const test = suite('names of ext4');

const NAMES = ['hello', 'a'.repeat(31), 'b'.repeat(33), 'üöä'.repeat(20), 'x'.repeat(255)];
const WANTED: readonly (readonly [number, readonly (readonly [major: number, minor: number])[]])[] = [
  [
    HashVersion.LEGACY,
    [
      [0x32252546, 0],
      [0x862591b4, 0],
      [0xacd4a28a, 0],
      [0x7b7abea6, 0],
      [0x30557da6, 0],
    ],
  ],
  [
    HashVersion.HALF_MD4,
    [
      [0x1746da32, 0x420013b5],
      [0x93a0250c, 0xae407dae],
      [0x664e87e6, 0xf6138986],
      [0xea629a46, 0x498d00f7],
      [0x2aa7169e, 0x655f9d9c],
    ],
  ],
  [
    HashVersion.TEA,
    [
      [0x6f5bb1a8, 0x231917c2],
      [0x3df9b80a, 0x1110a323],
      [0xe285724c, 0x863ca359],
      [0x368c92ee, 0xcc3ac4d2],
      [0x6c4c00ee, 0xeafdb6b],
    ],
  ],
];

for (const [version, wanted] of WANTED)
  test(`hash ${version}`, () => {
    const hasher = new NameHasher(version, new Uint32Array(4));
    for (const [i, name] of NAMES.entries()) {
      assert.ok(hasher.hash(Buffer.from(name)));
      assert.equal([hasher.major, hasher.minor], wanted[i], name);
    }
  });

test('bytes above 0x7f are no negative numbers where the machine that made the image had none', () => {
  const ascii = Buffer.from('hello');
  const other = Buffer.from('üöä');
  for (const version of [HashVersion.LEGACY, HashVersion.HALF_MD4, HashVersion.TEA]) {
    const hashes = [version, version + HashVersion.LEGACY_UNSIGNED].map((number) => {
      const hasher = new NameHasher(number, new Uint32Array(4));
      return [ascii, other].map((name) => hasher.hash(name) && hasher.major);
    });
    assert.is(hashes[0]?.[0], hashes[1]?.[0]);
    assert.is.not(hashes[0]?.[1], hashes[1]?.[1]);
  }
});

test('folding', () => {
  const fold = (name: string) => Buffer.from(foldName(Buffer.from(name))).toString();
  for (const [a, b] of [
    ['STRASSE', 'straße'],
    ['ẞ', 'ss'],
    ['ΜΆΪΟΣ', 'μάϊος'],
    ['\u212a', 'k'],
    ['e\u0301', 'É'],
    ['a\u00adb', 'AB'],
    ['ꭰ', 'Ꭰ'],
    ['ﬁ', 'FI'],
  ] as const)
    assert.is(fold(a), fold(b), `${a} and ${b}`);
  assert.is.not(fold('ı'), fold('i'));
  const broken = Buffer.of(0x41, 0xff);
  assert.equal([...foldName(broken)], [...broken]);
});

test('names without their keys', () => {
  for (const length of [1, 16, 149, 150, 255]) {
    const name = Buffer.alloc(length, 7);
    const matches = matcherWithoutKey(withoutKey(name, 5, 6));
    assert.ok(matches?.(name), `${length} bytes`);
    name[length - 1] = 8;
    assert.not.ok(matches?.(name), `${length} bytes, another name`);
  }
  assert.is(matcherWithoutKey('no such form!'), null);
});

test.run();
