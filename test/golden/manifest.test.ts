// time limit: 300 s
/** Every path of the shared images, as fsio's manifest tells it, against what Linux said: every field, every extent. */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, statSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { fsio, missingFsio } from '../harness/fsio.ts';
import {
  BTRFS_IMAGES,
  CLEAN_IMAGES,
  EXT4_IMAGES,
  type ImageName,
  imageManifest,
  type ManifestEntry,
  type PairName,
  unpackImage,
} from '../harness/images.ts';
import { scratch } from '../harness/scratch.ts';
import { gatedSuite } from '../harness/suite.ts';

const test = gatedSuite('manifests of the shared images', missingFsio());
const dir = scratch(true);

/** One line of `manifest --json`, as far as it is compared. */
type Line = Omit<ManifestEntry, 'mtime_ns'> & { readonly path: string; readonly mtime: string };

function nanoseconds(mtime: string): string {
  const match = /^(-?\d+)\.(\d{9})$/.exec(mtime);
  if (match === null) throw new Error(`mtime ${mtime} is not SECONDS.NNNNNNNNN`);
  return String(BigInt(match[1] as string) * 1_000_000_000n + BigInt(match[2] as string));
}

/** The manifest of an image as a map from path to entry, in the form of the JSON beside the image. */
function manifestOf(image: string, ...flags: string[]): Map<string, ManifestEntry> {
  const outcome = fsio(['-r', ...flags, '--json', '-c', 'manifest /', image]);
  if (outcome.status !== 0) throw new Error(`status ${outcome.status}: ${outcome.stderr}`);
  const lines = Buffer.from(outcome.stdout, 'latin1').toString('utf8').trimEnd().split('\n');
  return new Map(
    lines.map((text) => {
      const { path, mtime, ...rest } = JSON.parse(text) as Line;
      return [path, { ...rest, mtime_ns: nanoseconds(mtime) }];
    }),
  );
}

function differences(got: ManifestEntry | undefined, wanted: Partial<ManifestEntry>): string[] {
  if (got === undefined) return ['missing'];
  return (Object.keys(wanted) as (keyof ManifestEntry)[])
    .filter((key) => JSON.stringify(sorted(got[key])) !== JSON.stringify(sorted(wanted[key])))
    .map(
      (key) => `${key} ${JSON.stringify(got[key])?.slice(0, 300)}, Linux ${JSON.stringify(wanted[key])?.slice(0, 300)}`,
    );
}

/** Objects with their keys in order, so that two can be compared as text. */
function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The directory that Linux makes up where a subvolume is named and none is; its times are those of the look. */
const PLACEHOLDER_INO = 2;

function compare(name: ImageName | PairName, images: readonly string[], ...flags: string[]): void {
  for (const image of images) utimesSync(image, 1_000_000, 1_000_000);
  const hashes = images.map(hashOf);
  const wanted = imageManifest(name).files;
  const got = manifestOf(images[0] as string, ...flags);
  const wrong = Object.entries(wanted).flatMap(([path, entry]) =>
    differences(got.get(path), withoutMadeUp(entry)).map((text) => `${path}: ${text}`),
  );
  for (const path of got.keys()) if (!Object.hasOwn(wanted, path)) wrong.push(`${path}: Linux has no such path`);
  assert.is(wrong.length, 0, `${wrong.length} differences:\n${wrong.slice(0, 20).join('\n')}`);
  assert.ok(got.size > (name === 'ext4-crashed' ? 100 : 1000), `only ${got.size} paths compared`);
  assert.equal(images.map(hashOf), hashes, 'the image changed');
  for (const image of images) assert.is(statSync(image).mtimeMs, 1_000_000_000, 'the mtime changed');
}

function withoutMadeUp(entry: ManifestEntry): Partial<ManifestEntry> {
  if (entry.ino !== PLACEHOLDER_INO) return entry;
  const { mtime_ns: _, ...rest } = entry;
  return rest;
}

function hashOf(image: string): string {
  return createHash('sha256').update(readFileSync(image)).digest('hex');
}

function check(name: ImageName): void {
  compare(name, [unpackImage(name, join(dir, `${name}.img`))]);
}

for (const name of [...CLEAN_IMAGES, ...BTRFS_IMAGES, ...EXT4_IMAGES]) test(name, () => check(name));

test('xfs-dirty-log: replayed in memory, as Linux recovers it', () => check('xfs-dirty-log'));

test('btrfs-log-tree: replayed in memory, as Linux recovers it', () => check('btrfs-log-tree'));

test('ext4-crashed: journal, fast commits and orphans recovered in memory, as Linux does it', () =>
  check('ext4-crashed'));

test('btrfs-raid1: its other device is beside it, or named', () => {
  const beside = [0, 1].map((i) => unpackImage(`btrfs-raid1.${i as 0 | 1}`, join(dir, `raid1.${i}.img`)));
  compare('btrfs-raid1', beside);
  mkdirSync(join(dir, 'apart'));
  const apart = join(dir, 'apart', 'other.img');
  renameSync(beside[0] as string, apart);
  compare('btrfs-raid1', [beside[1] as string, apart], '--device', apart);
});

test('--norecovery shows the raw state of btrfs and says so', () => {
  const image = unpackImage('btrfs-log-tree', join(dir, 'logged.img'));
  const raw = fsio(['-r', '--norecovery', '-c', 'stat', `${image}:/tiny`]);
  assert.is(raw.status, 0, raw.stderr);
  assert.match(raw.stderr, /log not replayed/, 'a status line says what is shown');
});

test('--norecovery shows the raw state and says so', () => {
  const image = unpackImage('xfs-dirty-log', join(dir, 'dirty.img'));
  const raw = fsio(['-r', '--norecovery', '-c', 'stat', `${image}:/tiny`]);
  assert.is(raw.status, 0, raw.stderr);
  assert.match(raw.stderr, /log not replayed/, 'a status line says what is shown');
});

test.run();
