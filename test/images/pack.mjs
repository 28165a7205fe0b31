/**
 * Packs a disk image for the repository: `node test/images/pack.mjs IMAGE OUT.img.br`. Node 20 unpacks brotli but
 * not xz, so a packed image is brotli over: one line of JSON {"size", "extents": [[addr, length], …]}, then the
 * bytes of the extents. What is all zero is no extent, and a hole when unpacked (test/harness/images.ts).
 */
import { closeSync, fstatSync, openSync, readSync, writeFileSync } from 'node:fs';
import { brotliCompressSync, constants } from 'node:zlib';

const UNIT = 4096;
const CHUNK = 1 << 20;
const zero = Buffer.alloc(UNIT);

/** The extents of `path` that are not all zero, in units of 4 KiB, and their bytes. */
function collect(path) {
  const fd = openSync(path, 'r');
  const { size } = fstatSync(fd);
  const extents = [];
  const parts = [];
  const chunk = Buffer.alloc(CHUNK);
  for (let addr = 0; addr < size; addr += CHUNK) {
    const got = readSync(fd, chunk, 0, Math.min(CHUNK, size - addr), addr);
    for (let at = 0; at < got; at += UNIT) {
      const unit = chunk.subarray(at, Math.min(at + UNIT, got));
      if (unit.equals(zero.subarray(0, unit.length))) continue;
      const last = extents.at(-1);
      if (last !== undefined && last[0] + last[1] === addr + at) last[1] += unit.length;
      else extents.push([addr + at, unit.length]);
      parts.push(Buffer.from(unit));
    }
  }
  closeSync(fd);
  return { header: { size, extents }, data: Buffer.concat(parts) };
}

const [image, out] = process.argv.slice(2);
if (out === undefined) {
  console.error('usage: node test/images/pack.mjs IMAGE OUT.img.br');
  process.exit(2);
}
const { header, data } = collect(image);
const plain = Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`), data]);
const packed = brotliCompressSync(plain, {
  params: {
    [constants.BROTLI_PARAM_QUALITY]: 11,
    [constants.BROTLI_PARAM_LGWIN]: 24,
    [constants.BROTLI_PARAM_SIZE_HINT]: plain.length,
  },
});
writeFileSync(out, packed);
console.log(`${out}: ${header.extents.length} extents, ${data.length} bytes packed to ${packed.length}`);
