"""What Linux says of every file below a mounted gfs2, as one JSON object: python3 gfs2.look.py DIR META OUT

META is where the same file system is mounted as gfs2meta, or `-`.
"""
import ctypes, errno, fcntl, hashlib, json, os, stat, struct, sys

top, meta, out = sys.argv[1:4]
libc = ctypes.CDLL(None, use_errno=True)
buf = ctypes.create_string_buffer(1 << 15)
FIEMAP, GETFLAGS, FIBMAP = 0xC020660B, 0x80086601, 1
KINDS = {stat.S_IFREG: 'file', stat.S_IFDIR: 'dir', stat.S_IFLNK: 'symlink', stat.S_IFIFO: 'fifo',
         stat.S_IFCHR: 'char', stat.S_IFBLK: 'block', stat.S_IFSOCK: 'socket'}
libc.lseek.restype = ctypes.c_int64
libc.lseek.argtypes = [ctypes.c_int, ctypes.c_int64, ctypes.c_int]
bsize = os.statvfs(top).f_bsize


def entries(fd):
    """Name as latin1, inode number, d_off and type of each entry, in order."""
    found = []
    while True:
        n = libc.getdents64(fd, buf, len(buf))
        if n < 0:
            raise OSError(ctypes.get_errno(), 'getdents64')
        if n == 0:
            return found
        raw, at = buf.raw[:n], 0
        while at < n:
            ino, off, length, kind = struct.unpack_from('=QQHB', raw, at)
            found.append([raw[at + 19:at + length].split(b'\0', 1)[0].decode('latin1'), ino, off, kind])
            at += length


def extents(fd):
    found, start, count = [], 0, 500
    while True:
        arg = bytearray(struct.pack('QQIIII', start, 2**64 - 1 - start, 1, 0, count, 0) + bytes(56 * count))
        fcntl.ioctl(fd, FIEMAP, arg)
        got = struct.unpack_from('I', arg, 20)[0]
        for i in range(got):
            offset, place, length, _, _, bits = struct.unpack_from('QQQQQI', arg, 32 + 56 * i)
            found.append([offset if offset < 2**53 else str(offset), place, length, bits])
            if bits & 1:
                return found
            start = offset + length
        if got == 0:
            return found


def pieces(fd, size):
    """Where data and holes begin, by turns, from SEEK_DATA on."""
    found, pos, whence = [], 0, 3
    while len(found) < 40:
        pos = libc.lseek(fd, pos, whence)
        if pos < 0:
            return found + [errno.errorcode[ctypes.get_errno()]]
        found.append(pos if pos < 2**53 else str(pos))
        if pos >= size:
            return found
        whence = 7 - whence
    return found


def bmap(fd):
    found = []
    for block in (0, 1, 5, 64, 300):
        arg = bytearray(struct.pack('i', block))
        try:
            fcntl.ioctl(fd, FIBMAP, arg)
            found.append(struct.unpack('i', arg)[0])
        except OSError as error:
            found.append(errno.errorcode[error.errno])
    return found


def digest(fd):
    sum, at = hashlib.sha256(), 0
    while True:
        chunk = os.pread(fd, 1 << 20, at)
        if not chunk:
            return sum.hexdigest()
        sum.update(chunk)
        at += len(chunk)


links = {}


def look(path, rel, into):
    s = os.lstat(path)
    key = rel.decode('utf8', 'surrogateescape') if rel else '/'
    if s.st_nlink > 1 and not stat.S_ISDIR(s.st_mode):
        if s.st_ino in links:
            into[key] = links[s.st_ino]
            return
    kind = KINDS[stat.S_IFMT(s.st_mode)]
    e = {'type': kind, 'ino': s.st_ino, 'mode': stat.S_IMODE(s.st_mode), 'uid': s.st_uid, 'gid': s.st_gid,
         'nlink': s.st_nlink, 'size': s.st_size if s.st_size < 2**53 else str(s.st_size), 'mtime_ns': s.st_mtime_ns}
    more = {'blocks': s.st_blocks, 'blksize': s.st_blksize, 'ctime': str(s.st_ctime_ns), 'atime': str(s.st_atime_ns)}
    if kind in ('char', 'block'):
        more['rdev'] = [os.major(s.st_rdev), os.minor(s.st_rdev)]
    names = os.listxattr(path, follow_symlinks=False)
    user = {n: hashlib.sha256(os.getxattr(path, n, follow_symlinks=False)).hexdigest()
            for n in names if n.startswith('user.')}
    if user:
        e['xattrs'] = user
    rest = {n: os.getxattr(path, n, follow_symlinks=False).hex() for n in names if not n.startswith('user.')}
    if names:
        more['names'] = names if len(names) < 30 else hashlib.sha256('\0'.join(names).encode()).hexdigest()
    if rest:
        more['attributes'] = rest
    inside = []
    if kind == 'symlink':
        e['target'] = os.fsdecode(os.readlink(path))
    if kind in ('file', 'dir'):
        fd = os.open(path, os.O_RDONLY)
        arg = bytearray(8)
        try:
            fcntl.ioctl(fd, GETFLAGS, arg)
            more['flags'] = struct.unpack_from('I', arg)[0]
        except OSError as error:
            more['flags'] = errno.errorcode[error.errno]
        if kind == 'file':
            if s.st_size < 1 << 22:
                e['sha256'] = digest(fd)
            e['extents'] = extents(fd)
            # Under emulation every question takes its time, and of most empty files there is nothing to tell.
            if s.st_size > 0 or s.st_blocks * 512 > bsize:
                more['pieces'] = pieces(fd, s.st_size)
                more['bmap'] = bmap(fd)
        else:
            inside = entries(fd)
            more['extents'] = extents(fd)
            if len(inside) <= 70:
                more['entries'] = inside
            else:
                text = '\n'.join('%s %d %d %d' % (n, ino, off, k) for n, ino, off, k in inside)
                more['order'] = hashlib.sha256(text.encode('latin1')).hexdigest()
        os.close(fd)
    e['more'] = more
    into[key] = e
    if s.st_nlink > 1:
        links[s.st_ino] = e
    for name, *_ in sorted(inside):
        # The mount itself holds these two for good: whoever looks at them waits for its end.
        if name not in ('.', '..') and not name.startswith(('statfs_change', 'quota_change')):
            name = name.encode('latin1')
            look(path + b'/' + name, rel + b'/' + name, into)


sys.setrecursionlimit(5000)
files, master = {}, {}
v = os.statvfs(top)
fs = {'bsize': v.f_bsize, 'blocks': v.f_blocks, 'bfree': v.f_bfree, 'bavail': v.f_bavail, 'files': v.f_files,
      'ffree': v.f_ffree, 'namemax': v.f_namemax, 'fsid': v.f_fsid}
look(os.fsencode(top), b'', files)
if meta != '-':
    look(os.fsencode(meta), b'', master)
    # That mount knows no noatime: looking changes it.
    for entry in master.values():
        entry['more'].pop('atime', None)
text = json.dumps({'statfs': fs, 'files': files, 'master': master})
with open(out, 'w') as file:
    file.write(text)
print('%s: %d paths, %d of the master directory' % (out, len(files), len(master)))
