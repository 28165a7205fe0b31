/** The images of a session: each is opened and mounted once, on first use, and given back in the end. */
import { basename } from 'node:path';
import type { Device } from '../core/device/device.ts';
import { openDevice } from '../core/device/open.ts';
import { openOverlay, openOverlayFile } from '../core/device/overlay/open.ts';
import { choosePart, describePartitions, type Part } from '../core/device/part.ts';
import { readPartitions } from '../core/device/partition.ts';
import { SliceDevice } from '../core/device/slice.ts';
import type { UndoableDevice } from '../core/device/undoable.ts';
import { FsError } from '../core/errors.ts';
import type { Tracer } from '../core/iomap/trace.ts';
import type { ByteRange, ImageState, StructureChange } from '../core/vfs/changes.ts';
import type { Filesystem, MountOptions } from '../core/vfs/filesystem.ts';
import { describeChanges, formatName, mount } from '../formats/probe.ts';

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
  /** Seconds that another run of fsio which writes to an image is waited for (--wait). */
  readonly patience: number;
  readonly norecovery: boolean;
  /** The subvolume that paths start in, or null for the image's own choice. */
  readonly subvol: string | null;
  /** How new file data are to be compressed, or null where the files say. */
  readonly compress: MountOptions['compress'] | null;
  /** An older root of the file system may stand in for one that cannot be read, for reading. */
  readonly backupRoot: boolean;
  /** The copy of the superblock to believe, or null for the newest good one. */
  readonly superblock: number | null;
  /** Devices may be missing from what is written. */
  readonly degraded: boolean;
  readonly noDataCsum: boolean;
  /** Which part of an image holds the file system (--partition, --offset); null: all of it. */
  readonly part: Part | null;
  /** Further devices of the file system (--device). */
  readonly devices: readonly string[];
  /** The file that takes all changes (--overlay), or null. */
  readonly overlay: string | null;
  /** Changes stay in memory, and are told (--dry-run). */
  readonly dryRun: boolean;
  readonly tracer: Tracer | null;
  readonly now: MountOptions['now'];
  readonly owner: MountOptions['owner'];
  readonly random: MountOptions['random'];
  /** Told when an image says something about what it shows (a log that was not replayed). */
  notice(line: string): void;
  /** Under --dry-run, told in the end what would have changed of an image. */
  wouldChange?(mount: Mount, changes: Iterable<StructureChange>): void;
}

/** Times that an image is mounted again because another process changed it meanwhile. */
const TRIES = 20;

interface Entry {
  mount: Mount;
  readonly devices: readonly Device[];
  /** What lies over the devices and takes the changes; none unless asked for. */
  readonly layers: readonly UndoableDevice[];
}

export class Mounts {
  private readonly entries: Map<string, Entry>;
  private readonly settings: MountSettings;
  /** The images are another's: these are views of them, each with a directory of its own. */
  private readonly owner: Mounts | null;
  private readonly views = new Map<string, Mount>();
  private shares = 0;

  /** The time that changes get. */
  get now(): MountOptions['now'] {
    return this.settings.now;
  }

  constructor(settings: MountSettings, owner: Mounts | null = null) {
    this.settings = settings;
    this.owner = owner;
    this.entries = owner === null ? new Map() : owner.entries;
  }

  /** The same images for a further session: each with its own current directory, given back by their owner. */
  share(): Mounts {
    this.shares++;
    return new Mounts(this.settings, this);
  }

  /** The mounted image of this name. @throws FsError what opening or mounting refused */
  get(image: string): Mount {
    if (this.owner === null) return this.open(image);
    const view = this.views.get(image) ?? { ...this.owner.open(image), cwd: '/' };
    this.views.set(image, view);
    return view;
  }

  private open(image: string): Mount {
    const known = this.entries.get(image);
    if (known !== undefined) return known.mount;
    if (this.settings.overlay !== null && this.entries.size > 0)
      throw new FsError('EINVAL', { path: image, detail: '--overlay is for one image' });
    const devices: Device[] = [];
    const layers: UndoableDevice[] = [];
    const { readOnly, patience } = this.settings;
    try {
      for (const name of [image, ...this.settings.devices])
        devices.push(this.layered(openDevice(name, { readOnly, patience }), layers));
      const entry: Entry = { mount: this.mountSettled(image, devices, layers), devices, layers };
      this.entries.set(image, entry);
      return entry.mount;
    } catch (error) {
      for (const device of devices) device.close();
      throw error instanceof FsError ? error.withPath(image) : error;
    }
  }

  /** What takes the changes of an image, one layer for each of its devices; none unless asked for. */
  layers(mount: Mount): readonly UndoableDevice[] {
    return this.entries.get(mount.image)?.layers ?? [];
  }

  /**
   * Ends the use of an image, lets `between` change what lies under it, and opens it again; with `abandon`, what only
   * memory knows is forgotten instead of written. Inodes of before must not be used any more. @throws FsError
   */
  remount(mount: Mount, abandon: boolean, between: () => void): Mount {
    const entry = this.entries.get(mount.image) as Entry;
    if (this.owner !== null || this.shares > 0)
      throw new FsError('EBUSY', { path: mount.image, detail: 'other sessions use the image' });
    if (!abandon) mount.fs.unmount();
    this.tellNotices(mount);
    between();
    if (abandon) for (const device of entry.devices) device.startOver?.();
    entry.mount = { ...this.mountSettled(mount.image, entry.devices, entry.layers), cwd: mount.cwd };
    return entry.mount;
  }

  /** Does what is known of it come from before another process changed it? */
  isStale(mount: Mount): boolean {
    const { devices, layers } = this.entries.get(mount.image) as Entry;
    return isStale(devices, layers);
  }

  /** What the layers keep from the image; its use must have ended, or begun anew. @throws FsError */
  changes(mount: Mount): Iterable<StructureChange> {
    const { layers } = this.entries.get(mount.image) as Entry;
    const before = this.state(layers.map((layer) => layer.base));
    const after = this.state(layers);
    const shift = after.device instanceof SliceDevice ? after.device.start : 0;
    const ranges: ByteRange[] = [];
    for (const { addr, length } of layers[0]?.changes() ?? [])
      if (addr + length > shift)
        ranges.push({ addr: Math.max(0, addr - shift), length: Math.min(length, addr + length - shift) });
    return describeChanges(before, after, ranges);
  }

  /** What differs between the image and another one. @throws FsError */
  *differences(mount: Mount, other: string): Generator<StructureChange> {
    const { devices } = this.entries.get(mount.image) as Entry;
    const second = openDevice(other, { readOnly: true });
    try {
      yield* describeChanges(this.state(devices), this.state([second]), null);
    } finally {
      second.close();
    }
  }

  private state([first, ...devices]: readonly Device[]): ImageState {
    return { device: this.chosen(first as Device), devices };
  }

  /** The part of a device that was asked for. @throws FsError EINVAL if there is no such part */
  private chosen(device: Device): Device {
    const { part } = this.settings;
    return part === null ? device : choosePart(device, part);
  }

  private layered(device: Device, layers: UndoableDevice[]): Device {
    const { overlay, dryRun, readOnly } = this.settings;
    let top = device;
    const neighbour = (base: Device) => this.layered(base, layers);
    if (overlay !== null) {
      // The first device's changes go to FILE, those of the others to files beside it that bear their names.
      const path = layers.length === 0 ? overlay : `${overlay}.${basename(device.name)}`;
      const file = openOverlayFile(top, path, { readOnly, ...(dryRun ? {} : { neighbour }) });
      if (file.note !== null) this.settings.notice(file.note);
      if (!dryRun) layers.push(file);
      top = file;
    }
    if (!dryRun) return top;
    const layer = openOverlay(top, neighbour);
    layers.push(layer);
    return layer;
  }

  /** Mounts what another process is not just changing. @throws FsError */
  private mountSettled(image: string, devices: readonly Device[], layers: readonly UndoableDevice[]): Mount {
    for (let tries = 0; ; tries++) {
      let mounted: Mount | null = null;
      let failure: unknown = null;
      try {
        mounted = this.mountDevices(image, devices);
      } catch (error) {
        failure = error;
      }
      if (tries < TRIES && isStale(devices, layers)) {
        for (const device of devices) device.startOver?.();
        continue;
      }
      if (mounted === null) throw failure;
      if (mounted.fs.status !== null) this.settings.notice(`${image}: ${mounted.fs.status}`);
      return mounted;
    }
  }

  private mountDevices(image: string, devices: readonly Device[]): Mount {
    const [device, ...others] = devices as [Device, ...Device[]];
    const { readOnly, norecovery, subvol, compress, now, owner, random, tracer } = this.settings;
    const { backupRoot, superblock, degraded, noDataCsum } = this.settings;
    const choice = {
      backupRoot,
      degraded,
      noDataCsum,
      ...(superblock === null ? {} : { superblock }),
      ...(subvol === null ? {} : { subvol }),
      ...(compress ? { compress } : {}),
    };
    const chosen = this.chosen(device);
    if (formatName(chosen) === null) refuseWholeDisk(chosen);
    const fs = mount(chosen, { readOnly, norecovery, ...choice, devices: others, now, owner, random });
    fs.tracer = tracer;
    return { image, fs, cwd: '/' };
  }

  private tellNotices({ image, fs }: Mount): void {
    for (const line of fs.takeNotices?.() ?? []) this.settings.notice(`${image}: ${line}`);
  }

  /** Every image in use. */
  *[Symbol.iterator](): Generator<Mount> {
    for (const entry of this.entries.values()) yield entry.mount;
  }

  /** Ends the use of all images: all of them, whatever one of them says. Returns what went wrong. */
  close(): FsError[] {
    const failures: FsError[] = [];
    if (this.owner !== null) {
      this.owner.shares--;
      return failures;
    }
    for (const { mount: mounted, devices } of this.entries.values()) {
      try {
        mounted.fs.unmount();
        if (this.settings.dryRun) this.settings.wouldChange?.(mounted, this.changes(mounted));
      } catch (error) {
        if (!(error instanceof FsError)) throw error;
        failures.push(error.withPath(mounted.image));
      }
      this.tellNotices(mounted);
      for (const device of devices) device.close();
    }
    this.entries.clear();
    return failures;
  }
}

/** Overlays are about an image that does not change: there, an error is what it says. */
function isStale(devices: readonly Device[], layers: readonly UndoableDevice[]): boolean {
  return layers.length === 0 && devices.some((device) => device.stale === true);
}

/** @throws FsError EINVAL saying which partitions there are, if the device is a disk that has some */
function refuseWholeDisk(device: Device): void {
  const table = readPartitions(device);
  if (table !== null) throw new FsError('EINVAL', { detail: describePartitions(device, table, formatName) });
}
