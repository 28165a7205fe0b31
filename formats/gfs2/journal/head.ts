/**
 * The newest log header: sequence numbers rise along the journal, up to the newest header, behind which older ones
 * follow (kernel: gfs2_find_jhead). The whole journal is read; checksums are computed for those headers only that
 * decide.
 */
import type { Decoded } from '../../../core/struct.ts';
import { LogHeader } from '../structure/log.ts';
import type { JournalArea } from './area.ts';
import { isGoodHeader, looksLikeHeader, sequenceAt } from './header.ts';

const CHUNK = 1 << 20;
/** After so many headers that are none all of them are looked at. */
const MAX_BAD = 16;

export type Head = Decoded<typeof LogHeader>;

/** The newest header of a journal, null if it has none. @throws FsError EIO */
export function findHead(area: JournalArea): Head | null {
  const block = new Uint8Array(area.file.mp.blockSize);
  const isGood = (index: number): boolean => {
    area.read(index, block);
    return isGoodHeader(block);
  };
  let headers = headersOf(area);
  for (let bad = 0; ; bad++) {
    const { head, next } = newest(headers);
    if (head === undefined) return null;
    const wrong = !isGood(head.index) ? head : next !== undefined && !isGood(next.index) ? next : null;
    if (wrong === null) {
      area.read(head.index, block);
      return LogHeader.decode(new DataView(block.buffer), 0);
    }
    headers = headers.filter((header) => (bad < MAX_BAD ? header !== wrong : isGood(header.index)));
  }
}

interface Header {
  readonly index: number;
  readonly sequence: number;
}

/** The last of those whose numbers rise, and the one behind it. */
function newest(headers: readonly Header[]): { head: Header | undefined; next: Header | undefined } {
  let [head] = headers;
  for (const header of headers) {
    if (header.sequence < (head as Header).sequence) return { head, next: header };
    head = header;
  }
  return { head, next: undefined };
}

/** Blocks that begin as headers do. */
function headersOf(area: JournalArea): Header[] {
  const { device, blockSize } = area.file.mp;
  const found: Header[] = [];
  const chunk = new Uint8Array(CHUNK);
  const view = new DataView(chunk.buffer);
  for (const { start, block, count } of area.extents) {
    for (let done = 0; done < count; ) {
      const part = Math.min(count - done, CHUNK / blockSize);
      device.read((block + done) * blockSize, chunk.subarray(0, part * blockSize));
      for (let i = 0; i < part; i++)
        if (looksLikeHeader(view, i * blockSize))
          found.push({ index: start + done + i, sequence: sequenceAt(view, i * blockSize) });
      done += part;
    }
  }
  return found;
}
