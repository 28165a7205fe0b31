/** What Linux tells of a whole file tree beyond what Node asks it: directory positions, extents, attributes. */
import { run } from './kernel.ts';

export interface LinuxNode {
  /** Name, inode number, position (as text: it may have 63 bits) and kind of a directory's entries; names as latin1. */
  readonly entries?: readonly (readonly [string, number, string, number])[];
  /** Extents of a file: offset, place and length in bytes, and flags. */
  readonly extents?: readonly (readonly [number, number, number, number])[];
  /** `namespace.name=0xvalue`, sorted; null where Linux has none to ask for. */
  readonly attributes: readonly string[];
}

const WALK = `
import ctypes, fcntl, json, os, stat, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
buf = ctypes.create_string_buffer(1 << 16)
def entries(fd):
    out = []
    while True:
        n = libc.getdents64(fd, buf, len(buf))
        if n < 0: raise OSError(ctypes.get_errno(), 'getdents64')
        if n == 0: return out
        at = 0
        while at < n:
            ino, off, length, kind = struct.unpack_from('=QQHB', buf.raw, at)
            out.append([buf.raw[at + 19:at + length].split(b'\\0', 1)[0].decode('latin1'), ino, str(off), kind])
            at += length
def extents(fd):
    out, start, count = [], 0, 500
    while True:
        arg = bytearray(struct.pack('QQIIII', start, 2**64 - 1 - start, 0, 0, count, 0) + bytes(56 * count))
        fcntl.ioctl(fd, 0xc020660b, arg)
        found = struct.unpack_from('I', arg, 20)[0]
        for i in range(found):
            offset, place, length, _, _, flags = struct.unpack_from('QQQQQI', arg, 32 + 56 * i)
            out.append([offset, place, length, flags])
            if flags & 1: return out
            start = offset + length
        if found == 0: return out
def look(path, rel):
    s = os.lstat(path)
    e = {'attributes': sorted('%s=0x%s' % (os.fsencode(n).decode('latin1'), os.getxattr(path, n, follow_symlinks=False).hex())
                              for n in os.listxattr(path, follow_symlinks=False))}
    names = []
    if stat.S_ISREG(s.st_mode) or stat.S_ISDIR(s.st_mode):
        fd = os.open(path, os.O_RDONLY)
        try:
            try: e['extents'] = extents(fd)
            except OSError: pass
            if stat.S_ISDIR(s.st_mode): e['entries'] = names = entries(fd)
        finally: os.close(fd)
    print(json.dumps([rel.decode('latin1'), e]))
    for name, *_ in names:
        if name not in ('.', '..'): look(path + b'/' + name.encode('latin1'), rel + b'/' + name.encode('latin1'))
sys.setrecursionlimit(5000)
look(bytes.fromhex(sys.argv[1]), b'')
`;

/** All that is below a path (bytes), by the path from there as latin1; the top is ''. @throws Error if Linux fails */
export function linuxTree(at: Buffer): Map<string, LinuxNode> {
  const outcome = run('python3', ['-c', WALK, at.toString('hex')]);
  if (outcome.status !== 0) throw new Error(outcome.stderr);
  const lines = outcome.stdout.split('\n').filter((line) => line !== '');
  return new Map(lines.map((line) => JSON.parse(line) as [string, LinuxNode]));
}
