/**
 * Operations done by Linux: a list of them is run by one Python process below a mount point, since Node has no
 * renameat2, mknod, fallocate or setxattr. Each answers an errno name or 'ok'.
 */
import { run } from './kernel.ts';

/** One operation: its name and its arguments, paths relative to the mount point. */
export type NameOp = readonly [string, ...(string | number)[]];

const PROGRAM = `
import ctypes, errno, fcntl, json, os, stat, struct, subprocess, sys
root, ops = sys.argv[1], json.load(sys.stdin)
libc = ctypes.CDLL(None, use_errno=True)
os.umask(0o022)
def p(x): return os.path.join(root, x) if x else root
def rename2(a, b, flags):
    if libc.renameat2(-100, os.fsencode(p(a)), -100, os.fsencode(p(b)), flags): raise OSError(ctypes.get_errno(), '')
def node(a, kind, mode, major, minor):
    types = {'fifo': stat.S_IFIFO, 'socket': stat.S_IFSOCK, 'char': stat.S_IFCHR, 'block': stat.S_IFBLK}
    os.mknod(p(a), types[kind] | mode, os.makedev(major, minor))
def create(a, mode): os.close(os.open(p(a), os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))
def write(a, size):
    if not stat.S_ISREG(os.stat(p(a)).st_mode): raise OSError(errno.EINVAL, '')
    with open(p(a), 'r+b') as f: f.write(b'x' * size)
def tmpfile(d, a):
    fd = os.open(p(d), os.O_TMPFILE | os.O_RDWR, 0o640)
    try:
        # Python's own link() does not follow the link in /proc.
        if a and libc.linkat(-100, b'/proc/self/fd/%d' % fd, -100, os.fsencode(p(a)), 0x400):
            raise OSError(ctypes.get_errno(), '')
    finally: os.close(fd)
def setx(a, name, size, mode): os.setxattr(p(a), name, (name.encode() * (size // len(name) + 1))[:size], mode, follow_symlinks=False)
def opened(a, flags, act):
    fd = os.open(p(a), flags)
    try: return act(fd)
    finally: os.close(fd)
def pwrite(a, pos, size, byte): opened(a, os.O_WRONLY, lambda fd: os.pwrite(fd, bytes([byte]) * size, pos))
def falloc(a, mode, pos, size):
    def act(fd):
        if libc.fallocate(fd, mode, ctypes.c_long(pos), ctypes.c_long(size)): raise OSError(ctypes.get_errno(), '')
    opened(a, os.O_WRONLY, act)
def clone(a, b): opened(a, os.O_RDONLY, lambda s: opened(b, os.O_WRONLY | os.O_TRUNC, lambda d: fcntl.ioctl(d, 0x40049409, s)))
def ioctl(path, number, size, data):
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try: fcntl.ioctl(fd, 0x40000000 | size << 16 | 0x94 << 8 | number, bytearray(data))
    finally: os.close(fd)
def split(a): return os.path.split(p(a))
def subvol(a, number):
    d, n = split(a)
    ioctl(d, number, 4096, struct.pack('<q4088s', 0, os.fsencode(n)))
def snap(a, b, ro):
    d, n = split(b)
    fd = os.open(p(a), os.O_RDONLY | os.O_DIRECTORY)
    try: ioctl(d, 23, 4096, struct.pack('<qQQQQQQ4040s', fd, 0, 2 if ro else 0, 0, 0, 0, 0, os.fsencode(n)))
    finally: os.close(fd)
def setro(a, ro): ioctl(p(a), 26, 8, struct.pack('<Q', 2 if ro else 0))
calls = {
    'subvol': lambda a: subvol(a, 14), 'delsubvol': lambda a: subvol(a, 15), 'snap': snap, 'setro': setro,
    'pwrite': pwrite, 'falloc': falloc, 'clone': clone, 'truncate': lambda a, n: os.truncate(p(a), n),
    'fsync': lambda a: opened(a, os.O_RDONLY, os.fsync), 'fdatasync': lambda a: opened(a, os.O_RDONLY, os.fdatasync),
    'syncfs': lambda: opened('', os.O_RDONLY, libc.syncfs),
    'copy-image': lambda a, b: subprocess.check_call(['cp', '--sparse=always', a, b]),
    'create': create, 'write': write, 'tmpfile': tmpfile, 'mknod': node, 'setxattr': setx,
    'mkdir': lambda a, m: os.mkdir(p(a), m), 'rmdir': lambda a: os.rmdir(p(a)), 'unlink': lambda a: os.unlink(p(a)),
    'symlink': lambda t, a: os.symlink(t, p(a)), 'link': lambda a, b: os.link(p(a), p(b), follow_symlinks=False),
    'rename': lambda a, b: rename2(a, b, 0), 'noreplace': lambda a, b: rename2(a, b, 1), 'exchange': lambda a, b: rename2(a, b, 2),
    'chmod': lambda a, m: os.chmod(p(a), m), 'chown': lambda a, u, g: os.chown(p(a), u, g, follow_symlinks=False),
    'utimes': lambda a, x, y: os.utime(p(a), ns=(x * 10**9 + 5, y * 10**9 + 7), follow_symlinks=False),
    'removexattr': lambda a, n: os.removexattr(p(a), n, follow_symlinks=False),
}
out = []
for op in ops:
    try:
        calls[op[0]](*op[1:])
        out.append('ok')
    except OSError as e: out.append(errno.errorcode[e.errno])
print(json.dumps(out))
`;

const TREE = `
import hashlib, json, os, stat, sys
root = sys.argv[1]
out = {}
def look(path, rel):
    s = os.lstat(path)
    e = {'mode': s.st_mode, 'nlink': s.st_nlink, 'uid': s.st_uid, 'gid': s.st_gid}
    if not stat.S_ISDIR(s.st_mode): e['size'] = s.st_size
    if s.st_mtime < 1500000000: e['mtime'] = s.st_mtime_ns
    if stat.S_ISLNK(s.st_mode): e['target'] = os.readlink(path)
    if stat.S_ISCHR(s.st_mode) or stat.S_ISBLK(s.st_mode): e['rdev'] = s.st_rdev
    e['xattrs'] = {n: hashlib.sha256(os.getxattr(path, n, follow_symlinks=False)).hexdigest()[:12] for n in sorted(os.listxattr(path, follow_symlinks=False))}
    out[rel] = e
    if stat.S_ISDIR(s.st_mode):
        for n in sorted(os.listdir(path)): look(os.path.join(path, n), rel + '/' + n if rel else n)
look(root, '')
print(json.dumps(out))
`;

/** Why Linux cannot be asked this way, or null. */
export function missingPython(): string | null {
  try {
    return run('python3', ['-c', 'import os; os.setxattr']).status === 0 ? null : 'needs python3';
  } catch {
    return 'needs python3';
  }
}

/** The answers of Linux to these operations below `mount`. */
export function kernelNames(mount: string, ops: readonly NameOp[]): string[] {
  return JSON.parse(python(PROGRAM, mount, JSON.stringify(ops))) as string[];
}

/** Everything that Linux says of the names below `mount`, for comparing. */
export function kernelTree(mount: string): Record<string, unknown> {
  return JSON.parse(python(TREE, mount, '')) as Record<string, unknown>;
}

function python(program: string, mount: string, input: string): string {
  const outcome = run('python3', ['-c', program, mount], { input, seconds: 200 });
  if (outcome.status !== 0) throw new Error(`python3: ${outcome.stderr}`);
  return outcome.stdout;
}
