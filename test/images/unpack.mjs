/** Unpacks an image that test/images/pack.mjs packed: brotli over a line of JSON and the extents that are not zero. */
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { brotliDecompressSync } from 'node:zlib';

/** Writes the packed image `from` to the file `to`; what is not in it is a hole. */
export function unpack(from, to) {
  const bytes = brotliDecompressSync(readFileSync(from));
  const end = bytes.indexOf(10);
  const { size, extents } = JSON.parse(bytes.toString('utf8', 0, end));
  const fd = openSync(to, 'w');
  let at = end + 1;
  for (const [addr, length] of extents) {
    for (let done = 0; done < length; ) done += writeSync(fd, bytes, at + done, length - done, addr + done);
    at += length;
  }
  ftruncateSync(fd, size);
  closeSync(fd);
}
