/** dump-super: superblocks as they are on the devices, as btrfs inspect-internal dump-super prints them. */
import type { Device } from '../../../core/device/device.ts';
import { says, type WordContext, WordFailure, word } from '../../../core/vfs/word.ts';
import { checksumKind, sealMatches } from '../checksum.ts';
import { type SuperSetting, showSuper } from '../inspect/super.ts';
import { SUPER_MAGIC, SUPER_OFFSETS, SUPER_SIZE, SuperBlock } from '../structure/superblock.ts';
import { imageOf } from './mount-of.ts';

const RULE = '---------------------------------------------------------';
/** Where btrfs-progs' name is not the kernel's. */
const NAMES: Readonly<Record<string, string>> = { blake2b: 'blake2' };

export const dumpSuper = word({
  name: 'dump-super',
  about: 'the superblock as it is on the device',
  options: {
    a: { about: 'all copies' },
    d: { value: 'devid', kind: 'integer', about: 'of this device; else of the one that was opened' },
    F: { about: 'copies without the magic too' },
    f: { about: 'with the system chunks and the older roots' },
    i: { value: 'copy', kind: 'integer', about: 'as -s' },
    s: { value: 'copy', kind: 'integer', about: 'this copy: 0, 1 or 2' },
    all: { about: 'as -a' },
    force: { about: 'as -F' },
    full: { about: 'as -f' },
    super: { value: 'copy', kind: 'integer', about: 'as -s' },
    bytenr: { value: 'address', kind: 'size', about: 'the one at this address of the device' },
  },
  run(context, { options, operands }) {
    if (operands.length > 0) throw context.usage();
    const device = deviceOf(context, options.d);
    const copy = options.s ?? options.super ?? options.i;
    const one = options.bytenr ?? SUPER_OFFSETS[copy ?? 0];
    if (one === undefined) throw new WordFailure(`dump-super: super mirror too big: ${copy} >= 3`);
    const all = (options.a || options.all) && copy === undefined && options.bytenr === undefined;
    return copies(device, all ? SUPER_OFFSETS : [one], options.f || options.full, options.F || options.force);
  },
});

function deviceOf(context: WordContext, devid: number | undefined): Device {
  const image = imageOf(context);
  const wanted = devid ?? image.devid;
  const device = image.devices.find((entry) => entry.devid === wanted)?.device ?? null;
  if (device === null) throw new WordFailure(`dump-super: device ${wanted} is not there`);
  return device;
}

/** A copy, with its fields by the names that btrfs-progs prints. */
interface Dumped {
  /** Its place, device byte. */
  readonly superblock: number;
  readonly device: string;
  readonly [field: string]: unknown;
}

function* copies(device: Device, places: readonly number[], full: boolean, force: boolean) {
  for (const addr of places) {
    if (addr + SUPER_SIZE > device.size) {
      yield says({ superblock: addr, device: device.name, absent: true }, ['']);
      continue;
    }
    const bytes = new Uint8Array(SUPER_SIZE);
    device.read(addr, bytes);
    const view = new DataView(bytes.buffer);
    const head = [`superblock: bytenr=${addr}, device=${device.name}`, RULE];
    if (SuperBlock.get.magic(view, 0) !== SUPER_MAGIC && !force)
      throw new WordFailure(
        `dump-super: bad magic on superblock on ${device.name} at ${addr} (use -F to dump it anyway)`,
      );
    const { lines, data } = showSuper(view, settingOf(bytes, full));
    yield says<Dumped>({ superblock: addr, device: device.name, ...data }, [...head, ...lines, '']);
  }
}

function settingOf(bytes: Uint8Array, full: boolean): SuperSetting {
  const kind = checksumKind(bytes[SuperBlock.at.csum_type] as number);
  if (kind === null) return { csum: null, full };
  const { size } = kind;
  return { csum: { name: NAMES[kind.name] ?? kind.name, size, matches: sealMatches(kind, bytes) }, full };
}
