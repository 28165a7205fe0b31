/**
 * The same random script in the second kernel and by fsio, each on its copy of a fresh image: answers, where extents
 * lie, bytes, what is free. Then the kernel reads what fsio made, and xfs_repair looks at both.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { comparable, firstDifference } from '../harness/compare-output.ts';
import { fsioInside } from '../harness/fsio-inside.ts';
import { copyImage, repairComplaints } from '../harness/kernel.ts';
import { Random } from '../harness/random.ts';
import { randomScript } from '../harness/random-script.ts';
import { blockSizeOf, fsioOptions, type Kind, makeKind, mountWords, unmountWords } from './kinds.ts';
import { boot, linesOf } from './machine.ts';

interface Round {
  readonly dir: string;
  readonly kind: Kind;
  readonly seed: number;
  readonly ours: readonly string[];
  readonly theirs: readonly string[];
  readonly answers: string[];
}

/**
 * What the kernel sees in a mounted copy. Where extents lie, and how many they are, depends on when the kernel wrote
 * pages back by itself, but not on a realtime device, where no allocation is delayed.
 */
function lookWords({ realtime }: Kind): string {
  const places = realtime === undefined ? '' : "stat -c %b $f; xfs_io -r -c 'bmap -vp' $f; ";
  const file = `sha256sum $f; stat -c '%s %a' $f; ${places}xfs_io -r -c lsattr -c extsize $f`;
  const free = realtime === undefined ? '' : 'xfs_io -r -c "statfs -c" . | grep -v ino; ';
  return `cd /mnt/x; for f in a b c; do [ -e $f ] || continue; ${file}; done; ${free}cd /`;
}

/** Runs `count` rounds; answers what is wrong, one text a round. */
export function same(dir: string, kinds: readonly Kind[], seed: number, count: number): string[] {
  const rounds = Array.from({ length: count }, (_, i) =>
    play(join(dir, `same-${i}`), kinds[i % kinds.length] as Kind, seed + i * 7919),
  );
  const job = ['mkdir -p /mnt/x', ...rounds.flatMap(judge), 'true'];
  boot(dir, job.join('\n'), 120 + 60 * count);
  return rounds.flatMap(({ dir: at, kind, seed: own, ours, theirs, answers }) => {
    const looked = ['ours', 'theirs'].map((side) => comparable(linesOf(join(at, `${side}.look`)).join('\n')));
    const kernel = comparable(linesOf(join(at, 'theirs.out')).join('\n'), '/mnt/x');
    const faults = [
      firstDifference(answers, kernel),
      firstDifference(looked[0] as string[], looked[1] as string[]),
      ...[ours, theirs].flatMap((images) => repairComplaints(images[0] as string, images[1])),
    ].filter((fault) => fault !== null);
    if ((looked[0] as string[]).length === 0) faults.push('the kernel does not mount it');
    return faults.length === 0 ? [] : [`${kind.name}, seed ${own}, ${at}:\n${faults.slice(0, 12).join('\n')}`];
  });
}

function play(dir: string, kind: Kind, seed: number): Round {
  mkdirSync(dir, { recursive: true });
  const base = makeKind(dir, kind);
  const random = new Random(seed);
  // Whether a new file has room for attributes depends on the host's security modules: both sides begin with the same.
  fsioInside([...fsioOptions(base), base[0] as string], `${settings(kind, random).join('\n')}\n`);
  const [ours, theirs] = ['ours', 'theirs'].map((side) =>
    base.map((image) => copyImage(image, image.replace('base', side))),
  ) as [string[], string[]];
  const blockSize = blockSizeOf(kind);
  const lines = randomScript({ random, blockSize, reflink: false, operations: 60, span: 600_000, space: true });
  const script = `${[...lines, 'fsync'].join('\n')}\n`;
  writeFileSync(join(dir, 'script'), script.replaceAll('{d}', '/mnt/x'));
  const { stdout, stderr } = fsioInside([...fsioOptions(ours), ours[0] as string], script.replaceAll('{d}', ''));
  return { dir, kind, seed, ours, theirs, answers: comparable(`${stdout}${stderr}`) };
}

/** Makes the files; on the realtime device where there is one, some with a hint. */
function settings({ args, realtime }: Kind, random: Random): string[] {
  const unit = 1024 * Number(/extsize=(\d+)/.exec(args)?.[1]);
  return ['a', 'b', 'c'].flatMap((file) => {
    const hint = realtime !== undefined && random.oneIn(4) ? [`extsize ${unit * random.between(1, 3)}`] : [];
    return [`open -f /${file}`, ...(realtime === undefined ? [] : ['chattr +r']), ...hint, 'close'];
  });
}

/** Bash: the script, then what the kernel sees in both. */
function judge({ dir, kind, ours, theirs }: Round): string[] {
  const look = (side: string) => `{ ${lookWords(kind)}; } > ${dir}/${side}.look 2>&1`;
  return [
    `${mountWords(theirs)} && { xfs_io < ${dir}/script > ${dir}/theirs.out 2> ${dir}/theirs.err; cat ${dir}/theirs.err >> ${dir}/theirs.out; ${unmountWords(theirs)}; }`,
    `${mountWords(theirs)} && { ${look('theirs')}; ${unmountWords(theirs)}; }`,
    `${mountWords(ours)} && { ${look('ours')}; ${unmountWords(ours)}; }`,
    `echo ${dir}; dmesg -c | grep -iE 'xfs.*(corrupt|error|fail|assert)' | head -5`,
  ];
}
