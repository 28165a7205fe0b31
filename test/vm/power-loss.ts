/**
 * The power goes while fsio writes: images that a cut of the record could have left, of all their devices, are
 * recovered by the second kernel. What was made durable must be there, and xfs_repair must have nothing to say.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { memberCuts } from '../crash/member-cuts.ts';
import { type Promise_, play, randomSteps } from '../crash/scenario.ts';
import { repairComplaints } from '../harness/kernel.ts';
import { Random } from '../harness/random.ts';
import { blockSizeOf, type Kind, mountWords, unmountWords } from './kinds.ts';
import { boot } from './machine.ts';
import { filledBases, keptCuts, recorded } from './record.ts';

interface Crash {
  readonly dir: string;
  readonly story: string;
  readonly images: readonly string[];
  readonly promise: Promise_;
}

const FILES = ['a', 'b', 'c', 'd', 'e'];

/** `count` scripts with `each` cuts of every one; answers what is wrong, one text a cut. */
export function powerLoss(dir: string, kinds: readonly Kind[], seed: number, count: number, each: number): string[] {
  const used = kinds.slice(0, count);
  const bases = filledBases(dir, used, fill, 30);
  const crashed = Array.from({ length: count }, (_, i) => {
    const which = i % used.length;
    return crash(join(dir, `loss-${i}`), used[which] as Kind, bases[which] as string[], seed + i * 7919, each);
  }).flat();
  const job = crashed.map(({ dir: at, images }) => {
    const copy = FILES.map((file) => `[ -e /mnt/x/${file} ] && cp --sparse=never /mnt/x/${file} ${at}/${file}`).join(
      '; ',
    );
    return `${mountWords(images)} && { ${copy}; touch ${at}/mounted; ${unmountWords(images)}; }`;
  });
  boot(dir, ['mkdir -p /mnt/x', ...job, 'true'].join('\n'), 120 + 10 * crashed.length);
  return crashed.flatMap((one) => {
    const faults = judge(one);
    return faults.length === 0
      ? []
      : [`${one.story} (${one.promise.step}), ${one.dir}:\n${faults.slice(0, 8).join('\n')}`];
  });
}

/** Bash: two files by the kernel itself, on the realtime device where there is one. */
function fill(images: readonly string[], kind: Kind): string {
  const realtime = kind.realtime === undefined ? '' : 'chattr +t';
  const files = `open -f /mnt/x/a\\npwrite -S 0x41 0 300000\\nfsync\\nopen -f /mnt/x/e\\npwrite -S 0x45 0 64k\\nfsync\\n`;
  const root = realtime === '' ? '' : `xfs_io -c '${realtime}' /mnt/x; `;
  return `${mountWords(images)} && { ${root}printf '${files}' | xfs_io; ${unmountWords(images)}; }`;
}

function crash(dir: string, kind: Kind, base: readonly string[], seed: number, each: number): Crash[] {
  const random = new Random(seed);
  const record = recorded(dir, base);
  const { images, events, data, fs } = record;
  const blockSize = blockSizeOf(kind);
  const durable = new Map([
    ['a', new Uint8Array(300000).fill(0x41)],
    ['e', new Uint8Array(65536).fill(0x45)],
  ]);
  const promises = play(fs, data, randomSteps(random, blockSize, 40, false, true), durable);
  const list = memberCuts(events, images.length, random, each);
  return keptCuts(dir, record, list, (at, kept, { label, end }) => ({
    dir: at,
    story: `${kind.name}, seed ${seed}, cut ${label} of ${events.length}`,
    images: kept,
    promise: promises.findLast((one) => one.from <= end) as Promise_,
  }));
}

function judge({ dir, images, promise }: Crash): string[] {
  if (!existsSync(join(dir, 'mounted'))) return ['the kernel does not mount it'];
  const faults: string[] = [];
  for (const [name, life] of promise.files) {
    const path = join(dir, name);
    const fault = life.fault(existsSync(path) ? new Uint8Array(readFileSync(path)) : null);
    if (fault !== null) faults.push(`${name}: ${fault}`);
  }
  return [...faults, ...repairComplaints(images[0] as string, images[1]).map((line) => `xfs_repair: ${line}`)];
}
