/** Access control lists: the kernel's rules about what they mean, what chmod does and what is inherited. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type Acl,
  AclTag,
  checkAcl,
  chmodAcl,
  decodeAcl,
  encodeAcl,
  inheritAcl,
  modeOfAcl,
  ACL_NO_ID as NOBODY,
  planAcl,
} from '../../core/vfs/acl.ts';

const test = suite('access control lists');

const entry = (tag: keyof typeof AclTag, perm: number, id = NOBODY) => ({ tag: AclTag[tag], perm, id });
const minimal: Acl = [entry('USER_OBJ', 6), entry('GROUP_OBJ', 4), entry('OTHER', 0)];
const full: Acl = [
  entry('USER_OBJ', 6),
  entry('USER', 7, 5),
  entry('GROUP_OBJ', 4),
  entry('GROUP', 2, 9),
  entry('MASK', 7),
  entry('OTHER', 1),
];

test('the bytes that users see come back', () => {
  const bytes = encodeAcl(full);
  assert.is(
    Buffer.from(bytes).toString('hex'),
    '0200000001000600ffffffff020007000500000004000400ffffffff080002000900000010000700ffffffff20000100ffffffff',
  );
  assert.equal(decodeAcl(bytes), full);
  assert.is(decodeAcl(bytes.subarray(0, 4)), null);
});

test('damaged values are refused as Linux refuses them', () => {
  const code = (value: Uint8Array) => {
    try {
      decodeAcl(value);
      return 'ok';
    } catch (error) {
      return (error as { code: string }).code;
    }
  };
  assert.is(code(Uint8Array.of(2, 0, 0)), 'EINVAL');
  assert.is(code(Uint8Array.of(1, 0, 0, 0)), 'EOPNOTSUPP');
  assert.is(code(encodeAcl(full).subarray(0, 15)), 'EINVAL');
});

test('order, mask and permissions are checked', () => {
  checkAcl(minimal);
  checkAcl(full);
  for (const wrong of [
    [],
    full.slice(1),
    full.slice(0, -1),
    full.filter(({ tag }) => tag !== AclTag.MASK),
    [...minimal, entry('OTHER', 0)],
    [entry('USER_OBJ', 6), entry('USER', 7, 5), entry('GROUP_OBJ', 4), entry('OTHER', 0)],
    [entry('USER_OBJ', 8), entry('GROUP_OBJ', 4), entry('OTHER', 0)],
    [entry('USER_OBJ', 6), entry('USER', 7), entry('GROUP_OBJ', 4), entry('MASK', 4), entry('OTHER', 0)],
  ])
    assert.throws(() => checkAcl(wrong), /Invalid argument/);
});

test('the mode follows the list, the list follows chmod', () => {
  assert.is(modeOfAcl(minimal, 0o102777), 0o102640);
  assert.is(modeOfAcl(full, 0o100000), 0o100671);
  assert.equal(chmodAcl(minimal, 0o751), [entry('USER_OBJ', 7), entry('GROUP_OBJ', 5), entry('OTHER', 1)]);
  const changed = chmodAcl(full, 0o100420);
  assert.equal(
    changed.map(({ perm }) => perm),
    [4, 7, 4, 2, 2, 0],
  );
});

test('new files inherit the default list instead of the umask', () => {
  assert.equal(inheritAcl(null, 'file', 0o100666, 0o022), { mode: 0o100644, access: null, default: null });
  assert.equal(inheritAcl(full, 'symlink', 0o120777, 0o022), { mode: 0o120777, access: null, default: null });
  const dir = inheritAcl(full, 'dir', 0o042750, 0o077);
  assert.is(dir.mode, 0o042650);
  assert.equal(
    dir.access?.map(({ perm }) => perm),
    [6, 7, 4, 2, 5, 0],
  );
  assert.equal(dir.default, full);
  assert.equal(inheritAcl(minimal, 'file', 0o100777, 0o077), { mode: 0o100640, access: null, default: null });
});

test('setting a list: what is kept, and what the mode becomes', () => {
  assert.equal(planAcl('access', encodeAcl(minimal), 'file', 0o104777), { acl: null, mode: 0o104640 });
  assert.equal(planAcl('access', encodeAcl(full), 'file', 0o100600), { acl: full, mode: 0o100671 });
  assert.equal(planAcl('default', encodeAcl(minimal), 'dir', 0o040755), { acl: minimal, mode: 0o040755 });
  assert.equal(planAcl('access', null, 'file', 0o100600), { acl: null, mode: 0o100600 });
  assert.is(planAcl('default', null, 'file', 0o100600), null);
  assert.throws(() => planAcl('default', encodeAcl(full), 'file', 0o100600), /Permission denied/);
  assert.throws(() => planAcl('access', encodeAcl(full), 'symlink', 0o120777), /Operation not supported/);
});

test.run();
