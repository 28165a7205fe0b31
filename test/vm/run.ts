/**
 * `npm run vm -- [CAMPAIGN…] [--seed N] [--rounds N] [--keep]`: campaigns judged by a second kernel (machine.ts), for
 * one's own machine, not for CI. Without names all of them run. What fails is told with its seed and, with --keep, its
 * images; the last line counts.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { announceSeed } from '../harness/random.ts';
import { KINDS } from './kinds.ts';
import { missingMachine } from './machine.ts';
import { powerLoss } from './power-loss.ts';
import { quotas } from './quota.ts';
import { same } from './same.ts';

const CAMPAIGNS: Readonly<Record<string, (dir: string, seed: number, rounds: number) => string[]>> = {
  'realtime-same': (dir, seed, rounds) => same(dir, KINDS.realtime, seed, rounds),
  'realtime-power-loss': (dir, seed, rounds) => powerLoss(dir, KINDS.realtime, seed, rounds, 6),
  quota: (dir, seed, rounds) => quotas(dir, KINDS.quota, seed, rounds, 4),
  'v4-same': (dir, seed, rounds) => same(dir, KINDS.v4, seed, rounds),
  'v4-power-loss': (dir, seed, rounds) => powerLoss(dir, KINDS.v4, seed, rounds, 6),
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: 'string' },
    rounds: { type: 'string', default: '7' },
    keep: { type: 'boolean', default: false },
  },
});
const unknown = positionals.filter((name) => CAMPAIGNS[name] === undefined);
const missing = missingMachine();
if (unknown.length > 0 || missing !== null) {
  console.error(
    `vm: ${missing ?? `no campaign ${unknown.join(', ')}; there are ${Object.keys(CAMPAIGNS).join(', ')}`}`,
  );
  process.exit(2);
}
const seed = values.seed === undefined ? announceSeed('vm') : Number(values.seed);
const rounds = Number(values.rounds);
let failed = 0;
for (const name of positionals.length > 0 ? positionals : Object.keys(CAMPAIGNS)) {
  const dir = mkdtempSync(join(process.env.FSIO_VM_SCRATCH ?? tmpdir(), 'fsio-vm-'));
  const faults = (CAMPAIGNS[name] as (typeof CAMPAIGNS)[string])(dir, seed, rounds);
  failed += faults.length;
  for (const fault of faults) console.log(`${name}: ${fault}\n`);
  console.log(`${name}: ${rounds} rounds from seed ${seed}, ${faults.length} failed${values.keep ? `, ${dir}` : ''}`);
  if (!values.keep) rmSync(dir, { recursive: true, force: true });
}
process.exit(failed === 0 ? 0 : 1);
