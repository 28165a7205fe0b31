/** What xfs_io and fsio printed, without what may differ: timings, and where the image is mounted. */

/** The lines of `text` with rates removed and `dir` (a mount point) taken off every path. */
export function comparable(text: string, dir = ''): string[] {
  const plain = dir === '' ? text : text.replaceAll(dir, '');
  const lines = plain
    .split('\n')
    .map((line) => line.replace(/[;,] \d.* \(.*ops\/sec\)$/, '').trimEnd())
    .map((line) => line.replace(/^(\d+,\d+),\d+:\d\d:\d\d\.\d\d,.*$/, '$1').replace(/\b0x7[0-9a-f]{11}\b/g, 'ADDRESS'))
    // The table of open files pads the name, which is shorter here than below a mount point.
    .map((line) =>
      /^[ [] ?\d{3}/.test(line) ? line.replace(/ +\(/, ' (').replace(/^(.* ADDRESS [-rwx]{3}(?: S)?) +/, '$1 ') : line,
    );
  while (lines.at(-1) === '') lines.pop();
  return lines;
}

/** The first difference of two lists of lines, or null. */
export function firstDifference(got: readonly string[], wanted: readonly string[]): string | null {
  for (let i = 0; i < Math.max(got.length, wanted.length); i++) {
    if (got[i] === wanted[i]) continue;
    const before = wanted.slice(Math.max(0, i - 3), i).map((line) => `    ${line}`);
    return [
      `line ${i + 1}:`,
      ...before,
      `  kernel: ${wanted[i] ?? '(nothing)'}`,
      `  fsio:   ${got[i] ?? '(nothing)'}`,
    ].join('\n');
  }
  return null;
}
