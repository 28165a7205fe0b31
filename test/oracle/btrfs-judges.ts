/** btrfs as side-by-side.ts judges it: one or several images, files in a folder that may ask for something special. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { openDevice } from '../../core/device/open.ts';
import { checkComplaints, makeBtrfs, withBtrfs } from '../harness/btrfs-judge.ts';
import { openTrees } from '../harness/btrfs-trees.ts';
import { FOLDER, type UsedVariant } from '../harness/btrfs-variants.ts';
import { copyImage, must, run } from '../harness/kernel.ts';
import type { Judges } from './side-by-side.ts';

/** The judges of one kind of btrfs. */
export function btrfsJudges(variant: UsedVariant): Judges<string[]> {
  return {
    make(dir) {
      const { setup, ...plain } = variant;
      const images = makeBtrfs(dir, plain);
      for (const image of images) variant.convert?.(image);
      withBtrfs(images, (mount) => {
        mkdirSync(join(mount, FOLDER));
        for (const line of setup ?? []) {
          const [program, ...args] = line.map((word) => word.replace('{}', mount));
          must(program as string, ...args);
        }
      });
      return images;
    },
    copy: (images, dir) => images.map((image, i) => copyImage(image, join(dir, `fsio.${i}`))),
    mounted: (images, use) => withBtrfs(images, use, variant.mount),
    complaints: COMPLAINTS[variant.judge ?? 'check'],
    args: ([first, ...others]) => [...variant.fsio, ...others.flatMap((image) => ['--device', image]), first as string],
    folder: FOLDER,
    ...(variant.snapshots ? { between } : {}),
    shapes: variant.shapes !== false,
  };
}

const COMPLAINTS = {
  check: (images: string[]) => checkComplaints(images, true),
  scrub: parityComplaints,
  'simple quotas': simpleQuotaComplaints,
};

function between(mount: string, session: number): void {
  must('btrfs', 'subvolume', 'snapshot', mount, join(mount, `snapshot${session}`));
}

/**
 * btrfs check (6.2) takes data that cross a cell for wrong when it rebuilds them from parity: Linux's scrub reads all
 * copies and parities instead.
 */
function parityComplaints(images: string[]): string[] {
  return [...checkComplaints(images), ...scrubComplaints(images)];
}

function scrubComplaints(images: string[]): string[] {
  const scrubbed = withBtrfs(images, (mount) => run('btrfs', ['scrub', 'start', '-B', '-r', mount]).stdout);
  const clean = /^Error summary: +no errors found$/m.test(scrubbed);
  return clean ? [] : scrubbed.split('\n');
}

/** btrfs check (6.2) does not know simple quotas: what each group owns is counted here, and scrub reads all there is. */
function simpleQuotaComplaints(images: string[]): string[] {
  const device = openDevice(images[0] as string, { readOnly: true });
  try {
    return [...openTrees([device], true).simpleQuotaFaults(), ...scrubComplaints(images)];
  } finally {
    device.close();
  }
}
