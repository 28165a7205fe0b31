/**
 * Quotas: random changes by fsio, to the end or with the power gone in between. The second kernel must find nothing to
 * count again, and counting again must give the same numbers: those of xfs_quota's report before and after.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ChangeScript } from '../crash/change-script.ts';
import { ChangeRun } from '../crash/changes.ts';
import { memberCuts } from '../crash/member-cuts.ts';
import { firstDifference } from '../harness/compare-output.ts';
import { repairComplaints } from '../harness/kernel.ts';
import { Random } from '../harness/random.ts';
import { blockSizeOf, type Kind, mountWords, unmountWords } from './kinds.ts';
import { boot, linesOf } from './machine.ts';
import { filledBases, keptCuts, recorded } from './record.ts';

interface Found {
  readonly dir: string;
  readonly kind: Kind;
  readonly story: string;
  readonly images: readonly string[];
}

const REPORT =
  '{ for k in u g p; do xfs_quota -x -c "report -n -b -i -r -$k" /mnt/x 2>/dev/null | grep "^#"; echo $k; done; }';

/** `count` scripts with `each` cuts of every one; answers what is wrong, one text a cut. */
export function quotas(dir: string, kinds: readonly Kind[], seed: number, count: number, each: number): string[] {
  const used = kinds.slice(0, count);
  const bases = filledBases(dir, used, fill, 60);
  const found = Array.from({ length: count }, (_, i) => {
    const which = i % used.length;
    return play(join(dir, `quota-${i}`), used[which] as Kind, bases[which] as string[], seed + i * 7919, each);
  }).flat();
  boot(dir, ['mkdir -p /mnt/x', ...found.map(look), 'true'].join('\n'), 120 + 30 * found.length);
  return found.flatMap((one) => {
    const { dir: at, images } = one;
    const [kept, counted] = ['kept', 'counted'].map((name) => linesOf(join(at, name)).map(usedOf));
    const faults = [
      firstDifference(kept as string[], counted as string[]),
      ...linesOf(join(at, 'dmesg')),
      ...repairComplaints(images[0] as string, images[1]),
    ].filter((fault) => fault !== null);
    if (!existsSync(join(at, 'counted')) || (counted as string[]).length < 6) faults.push('the kernel counts nothing');
    return faults.length === 0 ? [] : [`${one.story}, ${at}:\n${faults.slice(0, 8).join('\n')}`];
  });
}

/** Of a line of the report what is used: limits of id 0 come to others when they are counted. */
const usedOf = (line: string): string => line.replace(/ +\d+ +\d+ +\d\d +\[[^\]]*\]/g, '');

/** The mount option for quotas: version 4 has room for two kinds. */
const optionsOf = ({ args }: Kind) => `nouuid,uquota,${args.includes('crc=0') ? 'pquota' : 'gquota,pquota'}`;

/** Bash: directories and files of several owners, with limits, made by the kernel itself. */
function fill(images: readonly string[], kind: Kind): string {
  const files = ['', 'd0/', 'd1/', 'd0/d2/'].flatMap((dir) =>
    [0, 1].map((i) => `open -f /mnt/x/${dir}f${i}\\npwrite -S ${65 + i} 0 200k\\nfsync\\n`),
  );
  const realtime = kind.realtime === undefined ? '' : 'xfs_io -c "chattr +t" /mnt/x/d1; ';
  const limits = [
    '-u bsoft=500k bhard=900k 3',
    '-u ihard=4 5',
    '-u bsoft=100k -d',
    '-p bhard=1500k 5',
    '-p isoft=3 0',
    '-u rtbhard=700k 4',
  ];
  return [
    `${mountWords(images, optionsOf(kind))} && { mkdir -p /mnt/x/d0/d2 /mnt/x/d1; ${realtime}xfs_io -c "chattr +P" -c "chproj 5" /mnt/x/d0`,
    `printf '${files.join('')}' | xfs_io; chown 3:4 /mnt/x/d0/f0; chown 5:6 /mnt/x/d1/f1; chown 4 /mnt/x/d1/f0`,
    ...limits.map((words) => `xfs_quota -x -c "limit ${words}" /mnt/x`),
    `${unmountWords(images)}; }`,
  ].join('; ');
}

function play(dir: string, kind: Kind, base: readonly string[], seed: number, each: number): Found[] {
  const random = new Random(seed);
  const owner = { uid: random.below(6), gid: random.below(6), umask: 0o022 };
  const record = recorded(dir, base, { owner });
  const { images, events, data, fs } = record;
  const run = new ChangeRun(fs, data, () => true);
  const script = new ChangeScript(random, blockSizeOf(kind));
  for (let i = 0; i < 80; i++) run.step(script.op());
  run.end();
  return keptCuts(dir, record, memberCuts(events, images.length, random, each), (at, kept, { label }) => ({
    dir: at,
    kind,
    images: kept,
    story: `${kind.name}, seed ${seed}, cut ${label} of ${events.length}`,
  }));
}

/** Bash: what the records say, and what counting again makes of them (a mount without quotas forgets that they are right). */
function look({ dir, kind, images }: Found): string {
  const mounted = mountWords(images, optionsOf(kind));
  const end = unmountWords(images);
  return [
    `dmesg -c >/dev/null; ${mounted} && { ${REPORT} > ${dir}/kept; ${end}; }; dmesg -c | grep -iE 'quotacheck|corrupt|assert' > ${dir}/dmesg`,
    `${mountWords(images)} && { ${end}; }`,
    `${mounted} && { ${REPORT} > ${dir}/counted; ${end}; }`,
  ].join('\n');
}
