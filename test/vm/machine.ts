/**
 * A second kernel, for what the host's own may lack (XFS with realtime, quotas, version 4): Debian's, booted under
 * emulation. It sees the host's files as its own, read-write, and runs a bash script among them.
 *
 *     apt-get download linux-image-… → FSIO_VM/kernel      busybox, modules, init → FSIO_VM/initrd.gz
 *     qemu-system-x86_64 (TCG), the host's root as 9p → init: modules, mounts, chroot, the job, power off
 */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';
import { must, run } from '../harness/kernel.ts';

const HOME = process.env.FSIO_VM ?? join(homedir(), '.cache', 'fsio-vm');
const MODULES = ['virtio_pci', '9pnet_virtio', '9p', 'loop', 'xfs'];
const APPLETS = ['sh', 'mount', 'insmod', 'chroot', 'poweroff', 'cat', 'sed', 'sync'];

const INIT = `#!/bin/sh
mount -t proc p /proc; mount -t sysfs s /sys; mount -t devtmpfs d /dev
for m in $(cat /modules/list); do insmod /modules/$m 2>/dev/null || echo "no $m"; done
mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144,cache=none host /host
for d in proc sys dev; do mount -o bind /$d /host/$d; done
mount -t tmpfs t /host/mnt; mount -t tmpfs t /host/run
chroot /host /bin/bash "$(sed 's/.*job=\\([^ ]*\\).*/\\1/' /proc/cmdline)" >/dev/ttyS0 2>&1 </dev/null
echo "the job ended with status $?"
sync; poweroff -f
`;

/** Why there is no second kernel here, or null. */
export function missingMachine(): string | null {
  const tools = [
    'qemu-system-x86_64',
    'busybox',
    'cpio',
    'depmod',
    'modprobe',
    ...(existsSync(kernelRoot()) ? [] : ['dpkg-deb']),
  ];
  const absent = tools.filter((tool) => run('sh', ['-c', `command -v ${tool}`]).status !== 0);
  return absent.length === 0 ? null : `needs ${absent.join(', ')}`;
}

const kernelRoot = () => join(HOME, 'kernel');

/** Downloads the kernel and builds the initial file system, once. @throws Error */
function prepare(): { kernel: string; initrd: string } {
  if (!existsSync(kernelRoot())) download();
  const image = readdirSync(join(kernelRoot(), 'boot')).find((name) => name.startsWith('vmlinuz-')) as string;
  const initrd = join(HOME, 'initrd.gz');
  if (!existsSync(initrd)) buildInitrd(image.slice('vmlinuz-'.length), initrd);
  return { kernel: join(kernelRoot(), 'boot', image), initrd };
}

/** The newest kernel of the host's Debian. */
function download(): void {
  mkdirSync(HOME, { recursive: true });
  const found = /linux-image-\d[^\s]*-amd64/.exec(must('apt-cache', 'depends', 'linux-image-amd64'))?.[0];
  if (found === undefined) throw new Error('apt-cache knows no linux-image-amd64: apt-get update first');
  must(
    'sh',
    '-ec',
    `cd ${HOME}; apt-get download ${found}; dpkg-deb -x ${found}_*.deb unpacked; mv unpacked kernel; rm *.deb`,
  );
}

function buildInitrd(version: string, initrd: string): void {
  const root = join(HOME, 'root');
  for (const dir of ['bin', 'modules', 'host', 'proc', 'sys', 'dev']) mkdirSync(join(root, dir), { recursive: true });
  for (const applet of APPLETS) copyFileSync(must('sh', '-c', 'command -v busybox').trim(), join(root, 'bin', applet));
  // The package leaves to its installation to say which module needs which.
  must('depmod', '-b', kernelRoot(), version);
  const list: string[] = [];
  for (const module of MODULES) {
    const lines = must('modprobe', '-d', kernelRoot(), '-S', version, '--show-depends', module).split('\n');
    for (const file of lines.flatMap((line) => (line.startsWith('insmod ') ? [line.split(/\s+/)[1] as string] : []))) {
      if (list.includes(basename(file))) continue;
      list.push(basename(file));
      copyFileSync(file, join(root, 'modules', basename(file)));
    }
  }
  writeFileSync(join(root, 'modules', 'list'), list.join('\n'));
  writeFileSync(join(root, 'init'), INIT);
  chmodSync(join(root, 'init'), 0o755);
  must('sh', '-ec', `cd ${root}; find . | cpio -o -H newc --quiet | gzip -1 > ${initrd}`);
  rmSync(root, { recursive: true });
}

/**
 * Runs a bash script in the second kernel and returns what it prints. `dir` holds what it works on, and its log.
 * @throws Error if it did not come to its end
 */
export function boot(dir: string, script: string, seconds: number): string {
  const { kernel, initrd } = prepare();
  const job = join(dir, 'job.sh');
  writeFileSync(job, script);
  const argv = ['-accel', 'tcg,thread=multi', '-cpu', 'max', '-m', '1024', '-smp', '2', '-no-reboot', '-nodefaults'];
  argv.push('-serial', 'stdio', '-vga', 'none', '-display', 'none', '-kernel', kernel, '-initrd', initrd);
  argv.push('-append', `console=ttyS0 quiet panic=-1 job=${job}`);
  argv.push('-fsdev', 'local,id=host,path=/,security_model=none,multidevs=remap');
  argv.push('-device', 'virtio-9p-pci,fsdev=host,mount_tag=host');
  // Four times what it takes where nothing else runs.
  const { stdout, stderr } = run('qemu-system-x86_64', argv, { seconds: seconds * 4 });
  const text = stdout.replaceAll('\r', '');
  writeFileSync(join(dir, 'job.log'), `${text}${stderr}`);
  if (!/^the job ended with status 0$/m.test(text)) throw new Error(`the second kernel: ${text.slice(-2000)}${stderr}`);
  return text;
}

/** The lines of a file that a job may have written; none without it. */
export function linesOf(path: string): string[] {
  return existsSync(path)
    ? readFileSync(path, 'latin1')
        .split('\n')
        .filter((line) => line !== '')
    : [];
}
