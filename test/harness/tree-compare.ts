/**
 * A file tree as our Filesystem tells it against the same tree mounted by Linux: names in directory order with their
 * positions, stat, content, extents, link targets, attributes.
 */
import { createHash } from 'node:crypto';
import { type BigIntStats, lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { fiemap } from '../../core/iomap/fiemap.ts';
import { bufferedRead } from '../../core/iomap/read.ts';
import type { Inode } from '../../core/vfs/inode.ts';
import { decodeName } from '../../core/vfs/names.ts';
import { type LinuxNode, linuxTree } from './linux-tree.ts';

/** FIEMAP_EXTENT_UNWRITTEN. */
export const UNWRITTEN = 0x800;

export interface CompareOptions {
  /** Extents that continue each other are one: how Linux tells them depends on what it has looked at before. */
  readonly joined?: true;
  /** Flags of extents that are compared. */
  readonly extentFlags: number;
  /** Times below a path that cannot be the same: Linux makes them up. */
  readonly looseTimes?: (inode: Inode) => boolean;
  /** Nanoseconds: times from then on are those of the mount itself, and equal. */
  readonly mountedAt?: bigint;
}

/** Files of many names that were looked at whole already. */
const known = new WeakSet<Inode>();

/** Compares `ours` with what Linux has at a path (bytes, for names that are not UTF-8); returns how many paths. */
export function compareTree(ours: Inode, at: Buffer, wrong: string[], options: CompareOptions): number {
  return compareBelow(ours, at, '', linuxTree(at), wrong, options);
}

function compareBelow(
  ours: Inode,
  at: Buffer,
  path: string,
  linux: ReadonlyMap<string, LinuxNode>,
  wrong: string[],
  options: CompareOptions,
): number {
  const say = (what: string, got: unknown, want: unknown) => {
    const [a, b] = [got, want].map((value) => String(JSON.stringify(value)));
    if (a !== b) wrong.push(`${at.toString('latin1')}: ${what}: ${a?.slice(0, 200)}, Linux ${b?.slice(0, 200)}`);
  };
  const want = lstatSync(at, { bigint: true });
  const got = ours.stat();
  const latest = options.looseTimes?.(ours) === true ? 0n : options.mountedAt;
  say('stat', statOf(ours, latest), linuxStat(want, latest));
  if (got.kind === 'symlink') say('target', ours.readlink(), decodeName(readlinkSync(at, { encoding: 'buffer' })));
  if (got.nlink > 1 && known.has(ours)) return 1;
  known.add(ours);
  const node = linux.get(path) as LinuxNode;
  // Before anything is read, as Linux was asked: what it has read it may tell in larger pieces.
  if (got.kind === 'file' || (got.kind === 'dir' && ours.fs.mapsDirectories)) sayExtents(say, ours, node, options);
  if (got.kind === 'file') say('content', contentOf(ours), contentOfHost(at, Number(want.size)));
  say('attributes', attributesOf(ours), node.attributes);
  if (got.kind !== 'dir') return 1;
  say(
    'entries',
    [...ours.entries()].map((e) => [e.ino, String(e.offset), e.kind, e.name]),
    entriesOfHost(node),
  );
  let count = 1;
  for (const name of readdirSync(at, { encoding: 'buffer' })) {
    const child = ours.child(decodeName(name));
    if (child === null) wrong.push(`${at}: lookup of ${name} finds nothing`);
    else {
      const below = `${path}/${name.toString('latin1')}`;
      count += compareBelow(child, Buffer.concat([at, Buffer.from('/'), name]), below, linux, wrong, options);
    }
  }
  say('lookup of nothing', ours.lookup('no such name'), null);
  return count;
}

/** Times from `latest` on are one and the same. */
function statOf(inode: Inode, latest?: bigint): unknown {
  const s = inode.stat();
  const time = (t: { seconds: number | bigint; nanoseconds: number }) =>
    timeText(BigInt(t.seconds) * 1_000_000_000n + BigInt(t.nanoseconds), latest);
  const numbers = [s.ino, s.mode, s.nlink, s.uid, s.gid, s.size, s.blocks];
  return [...numbers, time(s.mtime), time(s.ctime), s.btime === null ? null : time(s.btime)];
}

function linuxStat(s: BigIntStats, latest?: bigint): unknown {
  const numbers = [s.ino, s.mode & 0o7777n, s.nlink, s.uid, s.gid, s.size, s.blocks].map(Number);
  // Node says 0 where there is none.
  const birth = s.birthtimeNs === 0n ? null : timeText(s.birthtimeNs, latest);
  return [...numbers, ...[s.mtimeNs, s.ctimeNs].map((time) => timeText(time, latest)), birth];
}

function timeText(time: bigint, latest: bigint | undefined): string {
  return latest !== undefined && time >= latest ? 'now' : String(time);
}

function contentOf(inode: Inode): string | null {
  if (inode.size > 2 ** 30) return null;
  const bytes = Buffer.alloc(inode.size);
  for (let at = 0; at < bytes.length; ) {
    const count = bufferedRead(inode, at, bytes.subarray(at, at + 65536));
    if (count === 0) break;
    at += count;
  }
  return createHash('sha256').update(bytes).digest('hex');
}

function contentOfHost(path: Buffer, size: number): string | null {
  return size > 2 ** 30 ? null : createHash('sha256').update(readFileSync(path)).digest('hex');
}

/** Extents as [offset, place, length, flags] in 512-byte blocks. */
function extentsOf(inode: Inode, mask: number): number[][] {
  const all: number[][] = [];
  fiemap(inode, 0, 2 ** 63, (offset, place, length, flags) => {
    all.push([offset / 512, place / 512, length / 512, flags & mask]);
    return true;
  });
  return all;
}

function extentsOfHost(node: LinuxNode, mask: number): number[][] {
  return (node.extents ?? []).map(([offset, place, length, flags]) => [
    offset / 512,
    place / 512,
    length / 512,
    flags & mask,
  ]);
}

function sayExtents(
  say: (what: string, got: unknown, want: unknown) => void,
  ours: Inode,
  node: LinuxNode,
  { extentFlags, joined }: CompareOptions,
): void {
  const both = [extentsOf(ours, extentFlags), extentsOfHost(node, extentFlags)];
  const [our, theirs] = joined === true ? both.map(joinExtents) : both;
  say('extents', our, theirs);
}

function joinExtents(extents: readonly number[][]): number[][] {
  const all: number[][] = [];
  for (const [offset = 0, place = 0, length = 0, flags = 0] of extents) {
    const last = all[all.length - 1];
    const [before = 0, start = 0, size = 0] = last ?? [];
    if (last !== undefined && before + size === offset && start + size === place && last[3] === flags)
      last[2] = size + length;
    else all.push([offset, place, length, flags]);
  }
  return all;
}

function attributesOf(inode: Inode): unknown {
  const all = inode.listXattrs().map(({ namespace, name }) => {
    const value = inode.getXattr(namespace, name) as Uint8Array;
    return `${namespace}.${name}=0x${Buffer.from(value).toString('hex')}`;
  });
  return all.sort();
}

/** Kinds by the numbers of d_type. */
const KINDS: Readonly<Record<number, string>> = {
  1: 'fifo',
  2: 'char',
  4: 'dir',
  6: 'block',
  8: 'file',
  10: 'symlink',
  12: 'socket',
};

function entriesOfHost(node: LinuxNode): unknown {
  return (node.entries ?? []).map(([name, ino, offset, kind]) => [
    ino,
    offset,
    KINDS[kind] ?? null,
    decodeName(Buffer.from(name, 'latin1')),
  ]);
}
