"""Fills a mounted gfs2 with every shape that its format has: python3 gfs2.fill.py DIR [SCALE]

What is written repeats, so that a packed image stays small. SCALE (1) multiplies the numbers of names and extents.
"""
import ctypes, fcntl, os, socket, stat, struct, sys, zlib

top = sys.argv[1]
scale = float(sys.argv[2]) if len(sys.argv) > 2 else 1.0
os.chdir(top)
os.umask(0o022)
bsize = os.statvfs('.').f_bsize
libc = ctypes.CDLL(None, use_errno=True)

FS_IOC_GETFLAGS, FS_IOC_SETFLAGS = 0x80086601, 0x40086602
SYNC, IMMUTABLE, APPEND, NOATIME, JOURNAL, TOPDIR = 0x8, 0x10, 0x20, 0x80, 0x4000, 0x20000


def flags(path, bits):
    fd = os.open(path, os.O_RDONLY)
    old = bytearray(8)
    fcntl.ioctl(fd, FS_IOC_GETFLAGS, old)
    fcntl.ioctl(fd, FS_IOC_SETFLAGS, struct.pack('Q', struct.unpack_from('I', old)[0] | bits))
    os.close(fd)


def data(length, salt=0):
    unit = b''.join(b'%07x\n' % (salt * 4096 + i) for i in range(64))
    return (unit * (length // len(unit) + 1))[:length]


def put(name, content, at=0):
    fd = os.open(name, os.O_CREAT | os.O_WRONLY, 0o644)
    while content:
        n = os.pwrite(fd, content, at)
        content, at = content[n:], at + n
    os.close(fd)


def fallocate(name, mode, at, length):
    fd = os.open(name, os.O_CREAT | os.O_WRONLY, 0o644)
    if libc.fallocate(fd, mode, ctypes.c_long(at), ctypes.c_long(length)) != 0:
        raise OSError(ctypes.get_errno(), 'fallocate')
    os.close(fd)


def colliding(index, crc):
    """A name whose crc32 is `crc`: four bytes behind the stem turn its state into the wanted one."""
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ (0xEDB88320 if value & 1 else 0)
        table.append(value)
    for salt in range(256):
        stem = b'c%d-%d-' % (index, salt)
        want, state = crc ^ 0xFFFFFFFF, zlib.crc32(stem) ^ 0xFFFFFFFF
        for _ in range(4):
            at = next(i for i in range(256) if table[i] >> 24 == want >> 24)
            want = ((want ^ table[at]) << 8 | at) & 0xFFFFFFFF
        tail = struct.pack('<I', want ^ state)
        if not any(byte in (0, 0x2F) for byte in tail):
            return stem + tail
    raise ValueError('no such name')


# Data that lies in the dinode, ends with it, and begins to need blocks; then one level after the other.
put('empty', b'')
put('tiny', b'hello, gfs2\n')
put('small', data(200, 1))
put('stuffed-most', data(bsize - 232, 2))
put('stuffed-over', data(bsize - 231, 3))
put('one-block', data(bsize, 4))
put('two-blocks', data(bsize + 1, 5))
direct = (bsize - 232) // 8
put('height-1', data(direct * bsize, 6))
put('height-2', data(direct * bsize + 1, 7))
put('mib', data(1048699, 8))
os.chmod('small', 0o4711)
os.chown('small', 1234, 5678)
os.link('mib', 'hardlink')
for at in (0, 1 << 20, 2 << 20, (2 << 20) + 3 * bsize, 3 << 20):
    put('sparse', data(bsize * 2, at >> 12), at)
os.truncate('sparse', 4_100_000)
put('hole-first', data(100, 9), 64 * bsize + 17)
put('hole-only', b'')
os.truncate('hole-only', 3 << 20)
put('stuffed-short', data(300, 9))
os.truncate('stuffed-short', 100)
os.truncate('stuffed-short', 200)
# The far end of a file decides how many levels its tree has.
for bits in (32, 36, 40, 44, 48, 51, 52):
    put('far-%d' % bits, data(bsize, bits), (1 << bits) - bsize)
    os.truncate('far-%d' % bits, (1 << bits) + 12345)
put('far-60', data(bsize, 60), (1 << 60) + bsize)
put('far-end', data(1000, 63), (1 << 63) - 1 - 1000)
for at in range(int(300 * scale)):
    put('frag', data(bsize, at), at * 2 * bsize)
    put('frag-other', data(bsize, at + 1), at * bsize)
for at in range(0, int(120 * scale), 3):
    fallocate('frag-other', 3, at * bsize, bsize)
fallocate('prealloc', 0, 0, 40 * bsize)
put('prealloc', data(3 * bsize, 11), 7 * bsize)
put('prealloc-keep', data(5000, 12))
fallocate('prealloc-keep', 1, 0, 100 * bsize)
# Data that is journaled, some of it looking like metadata.
magic = struct.pack('>IIQII', 0x01161970, 4, 0, 400, 0)
put('jdata', b'')
flags('jdata', JOURNAL)
put('jdata', data(3 * bsize, 13) + magic + data(2 * bsize + 100, 14))
put('jdata-magic', b'')
flags('jdata-magic', JOURNAL)
put('jdata-magic', (magic + bytes(bsize - len(magic))) * 5)
put('magic', (magic + bytes(bsize - len(magic))) * 3)
os.mkdir('jdata-dir')
flags('jdata-dir', JOURNAL)
put('jdata-dir/inherits', data(2 * bsize, 15))
os.mkdir('jdata-dir/sub')
put('jdata-dir/sub/stuffed', data(20, 16))

# Directories: in the dinode, with a table in the dinode, with a table in blocks, with chains of leaves.
for name, count in (('dir-few', 3), ('dir-60', 60), ('dir-200', 200), ('dir-many', int(2200 * scale))):
    os.mkdir(name)
    for i in range(count):
        put('%s/entry-%05d' % (name, i), b'%d\n' % i if i % 7 == 0 else b'')
for i in range(0, int(2200 * scale), 3):
    os.unlink('dir-many/entry-%05d' % i)
os.mkdir('dir-emptied')
for i in range(150):
    put('dir-emptied/%d' % i, b'')
for i in range(150):
    os.unlink('dir-emptied/%d' % i)
os.mkdir('collide')
for i in range(int(260 * scale)):
    os.link('empty', b'collide/' + colliding(i, 0x5AFEC0DE))
for i in range(0, int(260 * scale), 5):
    os.unlink(b'collide/' + colliding(i, 0x5AFEC0DE))
deep = 'deep'
for i in range(12):
    os.mkdir(deep)
    deep += '/level-%d' % i
os.mkdir(deep)
put(deep + '/bottom', b'bottom\n')
put('n' * 255, b'a long name\n')
put('na\u00efve-\u00fcn\u00efcode-\u6587\u4ef6', b'utf8\n')
put(b'not-utf8-\xff\xfe', b'bytes\n')
os.mkdir('dir-names')
for i in range(1, 256, 6):
    put('dir-names/' + chr(97 + i % 26) * i, b'')

os.symlink('mib', 'link')
os.symlink('x' * (bsize - 232 - 2 if bsize < 1024 else 700), 'longlink')
os.symlink('deep/level-0', 'dirlink')
os.mkfifo('fifo')
os.mknod('null', stat.S_IFCHR | 0o666, os.makedev(1, 3))
os.mknod('big-device', stat.S_IFBLK | 0o600, os.makedev(259, 70000))
socket.socket(socket.AF_UNIX).bind('socket')

# Attributes: one block, many blocks, values in blocks of their own, every namespace, ACLs.
put('attrs', b'a')
os.setxattr('attrs', 'user.one', b'1')
os.setxattr('attrs', 'user.empty', b'')
os.setxattr('attrs', 'security.fsio', b'label')
try:
    os.setxattr('attrs', 'trusted.fsio', b'trust')
except OSError as error:
    print('trusted: %s' % error)
put('attrs-many', b'b')
for i in range(int(60 * scale)):
    os.setxattr('attrs-many', 'user.attribute-%03d' % i, data(20 + i * 3 % 100, i))
for i in range(0, int(60 * scale), 4):
    os.removexattr('attrs-many', 'user.attribute-%03d' % i)
put('attrs-large', b'c')
for size in (bsize - 60, bsize, 3 * bsize, 65536):
    try:
        os.setxattr('attrs-large', 'user.size-%d' % size, data(size, size))
    except OSError as error:
        print('xattr of %d bytes: %s' % (size, error))
os.setxattr('attrs-large', 'user.' + 'n' * 250, b'a long name')
put('attrs-gone', b'd')
os.setxattr('attrs-gone', 'user.gone', b'x')
os.removexattr('attrs-gone', 'user.gone')
os.setxattr('dir-few', 'user.dir', b'of a directory')
acl = lambda *entries: struct.pack('<I', 2) + b''.join(struct.pack('<HHI', *entry) for entry in entries)
NONE = 0xFFFFFFFF
put('acl', b'e')
os.setxattr('acl', 'system.posix_acl_access', acl((1, 6, NONE), (2, 4, 1000), (4, 4, NONE), (16, 4, NONE), (32, 0, NONE)))
os.mkdir('acl-dir')
os.setxattr('acl-dir', 'system.posix_acl_default', acl((1, 7, NONE), (2, 5, 1001), (4, 5, NONE), (8, 5, 50), (16, 5, NONE), (32, 0, NONE)))
put('acl-dir/inherits', b'f')
os.mkdir('acl-dir/sub')

for name, bits in (('flag-sync', SYNC), ('flag-noatime', NOATIME)):
    put(name, b'g')
    flags(name, bits)
os.mkdir('flag-topdir')
try:
    flags('flag-topdir', TOPDIR)
except OSError as error:
    print('topdir: %s' % error)
put('old', b'old\n')
os.utime('old', ns=(-500_000_000_123_456_789, -499_999_999_876_543_211))
put('future', b'fu')
os.utime('future', ns=(9_000_000_000_000_000_001, 9_000_000_000_000_000_000))
for name, bits in (('flag-immutable', IMMUTABLE), ('flag-append', APPEND)):
    put(name, data(700, 17))
    flags(name, bits)
