/** A map as letters, in as many columns as there are, and as SVG. */
import { sizeText } from '../../core/device/part.ts';
import type { TextSink } from '../text.ts';
import { type Band, cellKinds, KINDS, type Kind, type MapModel, spanText, totals } from './model.ts';

/** Draws with letters: readable without colours. */
export function drawText(model: MapModel, columns: number, out: TextSink): void {
  out.write(`${model.title}\n`);
  const margin = Math.max(...model.bands.map(({ name }) => name.length));
  const width = Math.max(8, columns - margin - 3);
  for (const band of model.bands) {
    const letters = cellKinds(band, band.start, band.length, width).map((kind) => KINDS[kind].letter);
    out.write(`${band.name.padEnd(margin)} |${letters.join('')}|\n`);
  }
  for (const line of legend(model)) out.write(`${line}\n`);
}

/** One line for each kind there is: its letter, its name, how much of it. */
export function legend(model: MapModel): string[] {
  const sums = new Map<Kind, { bytes: number; count: number }>();
  // A file is drawn twice, against itself and against the disk; it counts once.
  const counted = model.bands.some(({ gap }) => gap === 'elsewhere') ? model.bands.slice(0, 1) : model.bands;
  for (const band of counted)
    for (const [kind, { bytes, count }] of totals(band)) {
      const sum = sums.get(kind) ?? { bytes: 0, count: 0 };
      sums.set(kind, { bytes: sum.bytes + bytes, count: sum.count + count });
    }
  return [...sums].map(([kind, { bytes, count }]) => {
    const { letter, about } = KINDS[kind];
    return `  ${letter} ${about}: ${sizeText(bytes)} in ${count} ${count === 1 ? 'piece' : 'pieces'}`;
  });
}

const ROW = 26;
const WIDTH = 1000;
const MARGIN = 90;

/** Draws as SVG, every segment with its place in a tooltip. */
export function drawSvg(model: MapModel): string {
  const height = 50 + ROW * (model.bands.length + 1) + 20 * legend(model).length;
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH + MARGIN + 20}" height="${height}" font-family="sans-serif" font-size="13">`,
    `<text x="10" y="22" font-weight="bold">${escaped(model.title)}</text>`,
  ];
  for (const [i, band] of model.bands.entries()) parts.push(...bandSvg(band, 40 + i * ROW));
  const kinds = [...new Set(model.bands.flatMap((band) => [...totals(band).keys()]))];
  for (const [i, line] of legend(model).entries()) {
    const y = 60 + model.bands.length * ROW + i * 20;
    const color = KINDS[kinds[i] ?? 'unknown'].svg;
    parts.push(`<rect x="${MARGIN}" y="${y - 11}" width="14" height="14" fill="${color}" stroke="#999"/>`);
    parts.push(`<text x="${MARGIN + 22}" y="${y}">${escaped(line.trim().slice(2))}</text>`);
  }
  return `${parts.join('\n')}\n</svg>\n`;
}

function bandSvg(band: Band, y: number): string[] {
  const scale = WIDTH / band.length;
  const parts = [
    `<text x="10" y="${y + 15}">${escaped(band.name)}</text>`,
    `<rect x="${MARGIN}" y="${y}" width="${WIDTH}" height="${ROW - 6}" fill="${KINDS[band.gap].svg}" stroke="#999"/>`,
  ];
  // What is thinner than the eye sees is drawn as what its place mostly is.
  if (band.segments.length > 4 * WIDTH) {
    for (const [i, kind] of cellKinds(band, band.start, band.length, WIDTH).entries())
      if (kind !== band.gap)
        parts.push(`<rect x="${MARGIN + i}" y="${y}" width="1" height="${ROW - 6}" fill="${KINDS[kind].svg}"/>`);
    return parts;
  }
  for (const { start, length, kind, note } of band.segments) {
    if (kind === band.gap) continue;
    const x = MARGIN + (start - band.start) * scale;
    const width = Math.max(0.3, length * scale);
    const title = `${KINDS[kind].about} ${spanText(start, length)}${note === '' ? '' : `: ${note}`}`;
    parts.push(
      `<rect x="${x.toFixed(2)}" y="${y}" width="${width.toFixed(2)}" height="${ROW - 6}" fill="${KINDS[kind].svg}"><title>${escaped(title)}</title></rect>`,
    );
  }
  return parts;
}

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (char) => ENTITIES[char] as string);
}
