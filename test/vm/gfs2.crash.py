"""Changes a filled gfs2 so that its journal is needed after a crash: python3 gfs2.crash.py DIR

First all is written in place; then blocks are freed and used again, names come and go, and data is journaled. Only the
journal is forced out. The machine that runs this reboots at once.
"""
import os, struct, sys, time

os.chdir(sys.argv[1])
os.sync()
for i in range(0, 200, 2):
    os.unlink('dir-200/entry-%05d' % i)
for i in range(60):
    with open('dir-60/late-%d' % i, 'w') as file:
        file.write('late %d\n' % i)
os.unlink('height-2')
os.rename('two-blocks', 'renamed')
os.truncate('mib', 300_000)
for i in range(30):
    os.setxattr('attrs-many', 'user.late-%d' % i, b'late' * i)
os.removexattr('attrs-large', 'user.size-65536')
magic = struct.pack('>IIQII', 0x01161970, 4, 0, 400, 0)
with open('jdata-magic', 'r+b') as file:
    file.write((magic + b'changed' + bytes(1000)) * 9)
    file.flush()
    os.fsync(file.fileno())
with open('after-frees', 'wb') as file:
    file.write(b'new owner of old blocks\n' * 4000)
    file.flush()
    os.fsync(file.fileno())
# An open file without a name stays behind, its inode unlinked.
lost = open('lost', 'wb')
lost.write(b'nobody finds this\n' * 500)
os.unlink('lost')
os.fsync(lost.fileno())
dir = os.open('.', os.O_RDONLY)
os.fsync(dir)
print('crashing', flush=True)
time.sleep(1)
for path, word in (('/proc/sys/kernel/sysrq', '1'), ('/proc/sysrq-trigger', 'b')):
    with open(path, 'w') as file:
        file.write(word)
time.sleep(60)
