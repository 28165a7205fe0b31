/**
 * A disk that is kept in a file in a form of its own (qcow2, vmdk, vhdx, …). QEMU knows these forms: its NBD server is
 * started for the image, on a socket that nobody else finds, and ends when the connection does, also if this process is
 * killed. The image is served read-only until the first change, so that looking at it changes nothing in it.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Errno, FsError } from '../errors.ts';
import { pause } from '../pause.ts';
import type { Device } from './device.ts';
import { FileDevice, type OpenDeviceOptions } from './file.ts';
import { OWN_SERVER } from './in-use.ts';
import { NbdDevice } from './nbd/nbd.ts';

const PROGRAM = 'qemu-nbd';
/** Milliseconds that a server may take to give the image back, and others to give back theirs. */
const GIVING_BACK = 5000;

/** Opens the disk in `name`, which has this form. @throws FsError EOPNOTSUPP without QEMU's server, EINVAL, EBUSY, … */
export function openForm(name: string, form: string, options: OpenDeviceOptions): Device {
  return new QemuDevice(name, form, options);
}

class QemuDevice implements Device {
  readonly name: string;
  readonly size: number;
  readonly sectorSize: number;
  readonly #form: string;
  readonly #options: OpenDeviceOptions;
  #server: Served;
  #writable = false;
  #stale = false;
  /** The file's time of change when it was opened. */
  #changed: bigint;

  constructor(name: string, form: string, options: OpenDeviceOptions) {
    this.name = name;
    this.#form = form;
    this.#options = options;
    this.#changed = changeTime(name);
    this.#server = new Served(name, form, false);
    this.size = this.#server.disk.size;
    this.sectorSize = this.#server.disk.sectorSize;
  }

  get writable(): boolean {
    return this.#writable && !this.#stale;
  }

  get stale(): boolean {
    return this.#writable ? this.#stale : changeTime(this.name) !== this.#changed;
  }

  enableWrites(): void {
    if (this.#options.readOnly) throw new FsError('EROFS', { path: this.name, detail: 'opened read-only' });
    if (!this.#writable) this.#becomeWriter();
    if (this.#stale)
      throw new FsError('ESTALE', { path: this.name, detail: 'another process changed the image since it was opened' });
  }

  #becomeWriter(): void {
    this.#server.end();
    // Whoever else uses the file is waited for, or named.
    const file = new FileDevice(this.name, this.#options);
    try {
      file.enableWrites();
    } finally {
      file.close();
    }
    this.#serve(true);
    this.#server.disk.enableWrites();
    this.#writable = true;
    // Opening a disk for writing may write to its file already: then it is read once more, in vain.
    this.#stale = changeTime(this.name) !== this.#changed;
  }

  startOver(): void {
    this.#stale = false;
    if (this.#writable) return;
    this.#server.end();
    this.#changed = changeTime(this.name);
    this.#serve(false);
  }

  #serve(writable: boolean): void {
    this.#server = new Served(this.name, this.#form, writable);
    if (this.#server.disk.size === this.size) return;
    this.#server.end();
    throw new FsError('EIO', { path: this.name, detail: 'the disk was resized while it was open' });
  }

  read(addr: number, into: Uint8Array): void {
    this.#server.disk.read(addr, into);
  }

  write(addr: number, from: Uint8Array): void {
    if (!this.writable) throw new FsError('EROFS', { path: this.name });
    this.#server.disk.write(addr, from);
  }

  writev(addr: number, from: readonly Uint8Array[]): void {
    if (!this.writable) throw new FsError('EROFS', { path: this.name });
    this.#server.disk.writev(addr, from);
  }

  flush(): void {
    this.#server.disk.flush();
  }

  close(): void {
    this.#server.end();
  }
}

/** A server for one disk, and the connection to it. */
class Served {
  readonly disk: NbdDevice;
  readonly #pid: number;

  constructor(name: string, form: string, writable: boolean) {
    const dir = mkdtempSync(join(tmpdir(), OWN_SERVER));
    try {
      const socket = join(dir, 'socket');
      this.#pid = start(name, form, writable, dir, socket);
      const url = `nbd+unix:///?socket=${encodeURIComponent(socket)}&reconnect=0`;
      this.disk = new NbdDevice(url, { shownAs: name });
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  }

  /** Ends the connection, and returns when the server has written all and given the file back. */
  end(): void {
    this.disk.close();
    const end = Date.now() + GIVING_BACK;
    while (isRunning(this.#pid) && Date.now() < end) pause(2);
  }
}

/** Starts the server; it takes connections when this returns. Its process id. */
function start(name: string, form: string, writable: boolean, dir: string, socket: string): number {
  const pidFile = join(dir, 'pid');
  const args = ['--fork', `--pid-file=${pidFile}`, `--socket=${socket}`, `--format=${form}`];
  if (!writable) args.push('--read-only');
  const end = Date.now() + GIVING_BACK;
  for (;;) {
    const { error, status, stderr } = spawnSync(PROGRAM, [...args, '--', name], { encoding: 'utf8' });
    if (error !== undefined) throw notInstalled(name, form, error);
    if (status === 0) return Number(readFileSync(pidFile, 'latin1'));
    const refusal = refused(name, stderr);
    // Another run of fsio that looks at it gives it back soon.
    if (refusal.code !== 'EBUSY' || Date.now() > end) throw refusal;
    pause(50);
  }
}

function notInstalled(name: string, form: string, cause: Error): FsError {
  const detail = `a ${form} image is read through QEMU's ${PROGRAM}, which does not run here (is it installed?)`;
  return new FsError('EOPNOTSUPP', { path: name, detail, cause });
}

const REFUSALS: readonly (readonly [RegExp, Errno])[] = [
  [/ lock\b|resource temporarily unavailable/i, 'EBUSY'],
  [/permission denied/i, 'EACCES'],
  [/no such file/i, 'ENOENT'],
];

/** What the server says of an image that it does not open. */
function refused(name: string, said: string): FsError {
  const detail = said
    .replaceAll(/^[^:\n]*qemu-nbd: /gm, '')
    .trim()
    .replaceAll(/\s*\n\s*/g, '; ');
  const code = REFUSALS.find(([pattern]) => pattern.test(said))?.[1] ?? 'EINVAL';
  return new FsError(code, { path: name, detail: `${PROGRAM}: ${detail}` });
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // On Linux it may have ended and wait for its parent, who is not we.
    return process.platform !== 'linux' || !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return false;
  }
}

const changeTime = (name: string): bigint => statSync(name, { bigint: true }).mtimeNs;
