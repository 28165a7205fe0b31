/** Tables as btrfs-progs draws them: headings, a rule, rows, and perhaps a rule and sums. */

export interface Column {
  /** Lines above the rule, the same number in each column. */
  readonly heads: readonly string[];
  readonly cells: readonly string[];
  /** Lines below a second rule; none where absent. */
  readonly feet?: readonly string[];
  /** Cells and feet are aligned to the left. */
  readonly left?: true;
}

/** The lines of a table; a blank between columns. `heads`: where headings stand in their columns. */
export function drawTable(columns: readonly Column[], heads: 'left' | 'right' = 'left'): string[] {
  const widths = columns.map(({ heads: top, cells, feet: below = [] }) =>
    Math.max(...[...top, ...cells, ...below].map((text) => text.length)),
  );
  const line = (cell: (column: Column, width: number) => string): string =>
    columns.map((column, i) => cell(column, widths[i] as number)).join(' ');
  const rows = (part: (column: Column) => readonly string[], heading: boolean): string[] => {
    const count = part(columns[0] as Column).length;
    return Array.from({ length: count }, (_, row) =>
      line((column, width) => {
        const text = part(column)[row] ?? '';
        return (heading ? heads === 'left' : column.left === true) ? text.padEnd(width) : text.padStart(width);
      }),
    );
  };
  const rule = line((_, width) => '-'.repeat(width));
  const feet = rows(({ feet: lines = [] }) => lines, false);
  return [
    ...rows(({ heads: lines }) => lines, true),
    rule,
    ...rows(({ cells }) => cells, false),
    ...(feet.length === 0 ? [] : [rule, ...feet]),
  ];
}
