/** Compares a gfs2 image with what Linux said of it: node gfs2.compare.mjs IMAGE MANIFEST.json … */
import { readFileSync } from 'node:fs';
import { openDevice } from '../../core/device/open.ts';
import { fileDifferences, parseManifest, statfsDifferences } from '../harness/gfs2-manifest.ts';
import { mountDevice } from '../harness/mount-device.ts';

const pairs = process.argv.slice(2);
let failed = 0;
for (let i = 0; i + 1 < pairs.length; i += 2) {
  const [image, json] = [pairs[i] as string, pairs[i + 1] as string];
  const manifest = parseManifest(readFileSync(json, 'utf8'));
  const fs = mountDevice(openDevice(image, { readOnly: true }), { readOnly: true });
  const meta = mountDevice(openDevice(image, { readOnly: true }), { readOnly: true, subvol: 'gfs2meta' });
  const wrong = [
    ...statfsDifferences(fs, manifest),
    ...fileDifferences(fs, fs.root(), manifest.files),
    ...(Object.keys(manifest.master).length > 0 ? fileDifferences(meta, meta.root(), manifest.master) : []),
  ];
  const paths = Object.keys(manifest.files).length + Object.keys(manifest.master).length;
  console.log(`${image}: ${paths} paths, ${wrong.length} differences`);
  for (const line of wrong.slice(0, 25)) console.log(`  ${line}`);
  if (wrong.length > 0) failed++;
}
process.exit(failed > 0 ? 1 : 0);
