/**
 * The devices of one file system: the one that was opened, those named with --device, and those found beside the
 * first. Looking beside it only happens when the superblock says that there are more devices than were named. For
 * each device id the nearest name wins, then the newest generation; two equally good candidates are an error, not a
 * guess. A sprouted file system finds its seed the same way, by the device uuids in its chunks.
 */
import type { Device } from '../../../core/device/device.ts';
import type { Neighbour } from '../../../core/device/neighbours.ts';
import { FsError } from '../../../core/errors.ts';
import { SUPER_OFFSETS, SUPER_SIZE } from '../structure/superblock.ts';
import { type Identity, identify, identityOf, Member } from './member.ts';

interface Candidate {
  readonly neighbour: Neighbour;
  readonly identity: Identity;
}

export class Members {
  private readonly found: Member[] = [];
  /** The metadata uuid: what dev items and tree blocks of this file system carry. */
  private readonly fsid: string;
  private readonly first: Device;
  private readonly opened: Device[] = [];
  /** Named devices that are not of this file system, by device uuid: perhaps its seeds. */
  private readonly strangers = new Map<string, { device: Device; identity: Identity }>();
  private beside: Candidate[] | null = null;
  private readonly seeds = new Set<string>();
  private writable = false;
  /** What is written may be absent from missing devices. */
  readonly degraded: boolean;

  /** @throws FsError EINVAL when a named device is no btrfs or two claim the same id, EUCLEAN */
  constructor(first: Device, devices: readonly Device[], degraded = false) {
    const identity = identify(first);
    this.degraded = degraded;
    this.first = first;
    this.fsid = identity.devFsid;
    this.join(first, identity);
    for (const device of devices) this.takeNamed(device);
    if (this.found.length + this.strangers.size < identity.numDevices) this.searchOwn(identity.numDevices);
    const newest = Math.max(...this.found.map((member) => member.generation));
    for (const member of this.found) member.stale = member.generation < newest;
  }

  /** By device id; missing ones included as soon as a chunk names them. */
  get all(): readonly Member[] {
    return this.found;
  }

  /** The device whose superblock is the newest: it describes the file system. */
  get latest(): Device {
    const fresh = this.found.find((member) => !member.stale && member.device === this.first);
    return (fresh ?? this.found.find((member) => !member.stale && member.device !== null))?.device ?? this.first;
  }

  /** Devices that are not there. */
  get missing(): readonly Member[] {
    return this.found.filter((member) => member.device === null);
  }

  /** True if blocks may carry this file system id: its own or a seed's (hexadecimal). */
  owns(fsid: string): boolean {
    return fsid === this.fsid || this.seeds.has(fsid);
  }

  /** The device that a chunk or device item names; one that cannot be found becomes a missing member. */
  get(devid: number, uuid: string): Member {
    const known = this.found.find((member) => member.devid === devid && member.uuid === uuid);
    if (known !== undefined) return known;
    const stranger = this.strangers.get(uuid) ?? this.searchSeed(uuid);
    if (stranger === undefined) return this.add(new Member(devid, uuid, null, 0));
    this.strangers.delete(uuid);
    const member = this.add(new Member(devid, uuid, stranger.device, stranger.identity.generation));
    member.seed = true;
    this.seeds.add(stranger.identity.devFsid);
    return member;
  }

  /** @throws FsError EINVAL if a named device turned out to have no part in this file system */
  refuseStrangers(): void {
    for (const { device, identity } of this.strangers.values()) {
      const detail = `device ${identity.devid} of another btrfs, ${dashed(identity.fsid)}`;
      throw new FsError('EINVAL', { path: device.name, detail });
    }
  }

  /**
   * Makes all devices writable but seeds. That enough of them are there was seen when the chunks were read.
   * Does nothing when done before. @throws FsError EROFS when one is missing and that was not allowed; what the device refuses
   */
  enableWrites(): void {
    if (this.writable) return;
    const missing = this.missing.map((member) => member.devid);
    if (missing.length > 0 && !this.degraded) {
      const detail = `device ${missing.join(', ')} missing: what is written now would be absent there (--degraded)`;
      throw new FsError('EROFS', { detail });
    }
    for (const { device, seed } of this.found) if (!seed && device?.writable === false) device.enableWrites?.();
    this.writable = true;
  }

  flush(): void {
    for (const { device, seed } of this.found) if (!seed) device?.flush();
  }

  /** Closes the devices that were found beside the first one; the named ones belong to the caller. */
  close(): void {
    for (const device of this.opened) device.close();
    this.opened.length = 0;
  }

  private takeNamed(device: Device): void {
    const identity = identify(device);
    if (identity.devFsid === this.fsid) this.join(device, identity);
    else this.strangers.set(identity.uuid, { device, identity });
  }

  private join(device: Device, identity: Identity): void {
    const rival = this.found.find((member) => member.devid === identity.devid);
    if (rival !== undefined) {
      const detail = `both this and ${rival.device?.name} are device ${identity.devid}`;
      throw new FsError('EINVAL', { path: device.name, detail });
    }
    this.add(new Member(identity.devid, identity.uuid, device, identity.generation));
  }

  private add(member: Member): Member {
    this.found.push(member);
    this.found.sort((a, b) => a.devid - b.devid);
    return member;
  }

  /** Takes members of this file system from beside the first device until there are `wanted`. */
  private searchOwn(wanted: number): void {
    const mine = this.lookBeside().filter((candidate) => candidate.identity.devFsid === this.fsid);
    for (const { identity } of mine) {
      if (this.found.length >= wanted) return;
      if (this.found.some((member) => member.devid === identity.devid)) continue;
      const best = choose(mine.filter((candidate) => candidate.identity.devid === identity.devid));
      const device = this.open(best);
      this.join(device, identify(device));
    }
  }

  private searchSeed(uuid: string): { device: Device; identity: Identity } | undefined {
    const candidates = this.lookBeside().filter((candidate) => candidate.identity.uuid === uuid);
    if (candidates.length === 0) return undefined;
    const best = choose(candidates);
    // Stale copies of an own device that was replaced are no seeds.
    if (best.identity.devFsid === this.fsid) return undefined;
    return { device: this.open(best), identity: best.identity };
  }

  private lookBeside(): Candidate[] {
    if (this.beside !== null) return this.beside;
    this.beside = [];
    for (const neighbour of this.first.neighbours?.(SUPER_OFFSETS[0] as number, SUPER_SIZE) ?? []) {
      const identity = identityOf(neighbour.bytes);
      if (identity !== null) this.beside.push({ neighbour, identity });
    }
    return this.beside;
  }

  private open(candidate: Candidate): Device {
    const device = this.first.openNeighbour?.(candidate.neighbour.name);
    if (device === undefined) throw new FsError('ENOENT', { path: candidate.neighbour.name });
    this.opened.push(device);
    return device;
  }
}

/** The nearest name, then the newest generation. @throws FsError EINVAL when two are as good */
function choose(candidates: readonly Candidate[]): Candidate {
  const sorted = [...candidates].sort(
    (a, b) => a.neighbour.distance - b.neighbour.distance || b.identity.generation - a.identity.generation,
  );
  const [best, next] = sorted as [Candidate, Candidate | undefined];
  const tied =
    next !== undefined &&
    next.neighbour.distance === best.neighbour.distance &&
    next.identity.generation === best.identity.generation;
  if (!tied) return best;
  const names = `${best.neighbour.name} and ${next.neighbour.name}`;
  throw new FsError('EINVAL', { detail: `device ${best.identity.devid} could be ${names}: name it with --device` });
}

function dashed(uuid: string): string {
  return uuid.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}
