/** The images of a session: each is opened and mounted once, on first use, and given back in the end. */
import type { Device } from '../core/device/device.ts';
import { openDevice } from '../core/device/open.ts';
import { choosePart, describePartitions, type Part } from '../core/device/part.ts';
import { readPartitions } from '../core/device/partition.ts';
import { FsError } from '../core/errors.ts';
import type { Tracer } from '../core/iomap/trace.ts';
import type { Filesystem, MountOptions } from '../core/vfs/filesystem.ts';
import { formatName, mount } from '../formats/probe.ts';

/** An image in use. */
export interface Mount {
  /** The image as the user named it. */
  readonly image: string;
  readonly fs: Filesystem;
  /** The directory from which relative paths start, absolute. */
  cwd: string;
}

/** What holds for every image of a run. */
export interface MountSettings {
  readonly readOnly: boolean;
  readonly norecovery: boolean;
  /** The subvolume that paths start in, or null for the image's own choice. */
  readonly subvol: string | null;
  /** How new file data are to be compressed, or null where the files say. */
  readonly compress: MountOptions['compress'] | null;
  readonly noDataCsum: boolean;
  /** Which part of an image holds the file system (--partition, --offset); null: all of it. */
  readonly part: Part | null;
  /** Further devices of the file system (--device). */
  readonly devices: readonly string[];
  readonly tracer: Tracer | null;
  readonly now: MountOptions['now'];
  readonly owner: MountOptions['owner'];
  readonly random: MountOptions['random'];
  /** Told when an image says something about what it shows (a log that was not replayed). */
  notice(line: string): void;
}

interface Entry {
  readonly mount: Mount;
  readonly devices: readonly Device[];
}

export class Mounts {
  private readonly entries = new Map<string, Entry>();
  private readonly settings: MountSettings;

  constructor(settings: MountSettings) {
    this.settings = settings;
  }

  /** The mounted image of this name. @throws FsError what opening or mounting refused */
  get(image: string): Mount {
    const known = this.entries.get(image);
    if (known !== undefined) return known.mount;
    const devices: Device[] = [];
    try {
      for (const name of [image, ...this.settings.devices])
        devices.push(openDevice(name, { readOnly: this.settings.readOnly }));
      return this.mountDevices(image, devices);
    } catch (error) {
      for (const device of devices) device.close();
      throw error instanceof FsError ? error.withPath(image) : error;
    }
  }

  private mountDevices(image: string, devices: readonly Device[]): Mount {
    const [device, ...others] = devices as [Device, ...Device[]];
    const { readOnly, norecovery, subvol, compress, noDataCsum, now, owner, random, tracer } = this.settings;
    const choice = { ...(subvol === null ? {} : { subvol }), ...(compress ? { compress } : {}) };
    const chosen = choosePart(device, this.settings.part);
    if (formatName(chosen) === null) refuseWholeDisk(chosen);
    const fs = mount(chosen, { readOnly, norecovery, noDataCsum, ...choice, devices: others, now, owner, random });
    fs.tracer = tracer;
    if (fs.status !== null) this.settings.notice(`${image}: ${fs.status}`);
    const mounted: Mount = { image, fs, cwd: '/' };
    this.entries.set(image, { mount: mounted, devices });
    return mounted;
  }

  /** Every image in use. */
  *[Symbol.iterator](): Generator<Mount> {
    for (const entry of this.entries.values()) yield entry.mount;
  }

  /** Ends the use of all images: all of them, whatever one of them says. Returns what went wrong. */
  close(): FsError[] {
    const failures: FsError[] = [];
    for (const { mount: mounted, devices } of this.entries.values()) {
      try {
        mounted.fs.unmount();
      } catch (error) {
        if (!(error instanceof FsError)) throw error;
        failures.push(error.withPath(mounted.image));
      }
      for (const device of devices) device.close();
    }
    this.entries.clear();
    return failures;
  }
}

/** @throws FsError EINVAL saying which partitions there are, if the device is a disk that has some */
function refuseWholeDisk(device: Device): void {
  const table = readPartitions(device);
  if (table !== null) throw new FsError('EINVAL', { detail: describePartitions(device, table, formatName) });
}
