/** A map to move through: bands of cells, a cursor, and what is under it. */
import { Box, Text, useInput, useStdout } from 'ink';
import { useState } from 'react';
import { legend } from '../../commands/map/draw.ts';
import {
  type Band,
  cellKinds,
  KINDS,
  type Kind,
  type MapModel,
  segmentsIn,
  spanText,
} from '../../commands/map/model.ts';
import { type InkKey, keysOf } from './keys.ts';
import { inverse } from './styles.ts';

interface Props {
  readonly model: MapModel;
  readonly colors: boolean;
  leave(): void;
}

/** The part of a band that is on the screen. */
interface Window {
  readonly start: number;
  readonly length: number;
}

interface Place {
  readonly band: number;
  readonly cell: number;
  /** How often the range was halved, and where it begins as a part of the band. */
  readonly zoom: number;
  readonly from: number;
}

const DEEPEST = 40;

export function MapView({ model, colors, leave }: Props) {
  const { stdout } = useStdout();
  const columns = stdout.columns || 80;
  const rows = stdout.rows || 24;
  const margin = Math.max(...model.bands.map(({ name }) => name.length));
  const width = Math.max(8, columns - margin - 4);
  const [place, setPlace] = useState<Place>({ band: 0, cell: 0, zoom: 0, from: 0 });
  const cell = Math.min(place.cell, width - 1);

  useInput((input, key) => {
    for (const one of keysOf(input, key as InkKey)) {
      if (one.input === 'q' || input === '\u001b' || (one.ctrl && one.input === 'c')) leave();
      else setPlace((now) => moved(now, one.name ?? one.input, width, model.bands.length));
    }
  });

  const windowOf = (band: Band): Window => {
    const length = Math.max(1, band.length / 2 ** place.zoom);
    return { start: band.start + place.from * band.length, length };
  };
  // The band of the cursor stays on the screen, with the legend below it.
  const lines = legend(model);
  const room = Math.max(1, rows - lines.length - 7);
  const first = Math.max(0, Math.min(place.band - Math.floor(room / 2), model.bands.length - room));
  const current = model.bands[place.band] as Band;
  const { start, length } = windowOf(current);
  const size = length / width;
  const here = segmentsIn(current, start + cell * size, Math.max(1, size), 4);
  return (
    <Box flexDirection="column" width={columns}>
      <Text bold wrap="truncate">
        {model.title}
      </Text>
      {model.bands.slice(first, first + room).map((band, i) => {
        const shown = windowOf(band);
        const kinds = cellKinds(band, shown.start, shown.length, width);
        return (
          <Text key={band.name} wrap="truncate">
            {band.name.padEnd(margin)} |{cells(kinds, first + i === place.band ? cell : -1, colors)}|
          </Text>
        );
      })}
      {lines.map((line) => (
        <Text key={line} wrap="truncate">
          {line}
        </Text>
      ))}
      <Text wrap="truncate">
        {current.name} {rangeText(start + cell * size, size)}
      </Text>
      {(here.length === 0 ? [`${KINDS[current.gap].about}`] : here.map(segmentText)).map((line) => (
        <Text key={line} wrap="truncate">
          {'  '}
          {line}
        </Text>
      ))}
      <Text dimColor wrap="truncate">
        q leaves, arrows move, + - zoom, n next piece
      </Text>
    </Box>
  );

  function moved(now: Place, key: string, cells: number, bands: number): Place {
    const at = Math.min(now.cell, cells - 1);
    if (key === 'left') return at > 0 ? { ...now, cell: at - 1 } : scrolled(now, -0.5, cells);
    if (key === 'right') return at < cells - 1 ? { ...now, cell: at + 1 } : scrolled(now, 0.5, cells);
    if (key === 'home') return { ...now, cell: 0, from: 0 };
    if (key === 'end') return { ...now, cell: cells - 1, from: 1 - 1 / 2 ** now.zoom };
    if (key === 'up') return { ...now, band: Math.max(0, now.band - 1) };
    if (key === 'down') return { ...now, band: Math.min(bands - 1, now.band + 1) };
    if (key === '+' || key === '=') return zoomed(now, 1, cells);
    if (key === '-') return zoomed(now, -1, cells);
    return key === 'n' ? nextPiece(now, at, cells) : now;
  }

  /** The cursor goes to the next segment that is no gap. */
  function nextPiece(now: Place, at: number, cells: number): Place {
    const band = model.bands[now.band] as Band;
    const kinds = cellKinds(band, band.start + now.from * band.length, band.length / 2 ** now.zoom, cells);
    for (let i = at + 1; i < cells; i++)
      if (kinds[i] !== band.gap && kinds[i] !== kinds[i - 1]) return { ...now, cell: i };
    return now;
  }
}

function scrolled(now: Place, part: number, cells: number): Place {
  const share = 1 / 2 ** now.zoom;
  const from = Math.max(0, Math.min(1 - share, now.from + part * share));
  if (from === now.from) return now;
  return { ...now, from, cell: Math.round(cells * (part < 0 ? -part : 1 - part)) };
}

/** Twice or half as near, the cursor on the same place. */
function zoomed(now: Place, step: number, cells: number): Place {
  const zoom = Math.max(0, Math.min(DEEPEST, now.zoom + step));
  const point = now.from + (now.cell + 0.5) / cells / 2 ** now.zoom;
  const share = 1 / 2 ** zoom;
  const from = Math.max(0, Math.min(1 - share, point - share / 2));
  return { ...now, zoom, from, cell: Math.max(0, Math.min(cells - 1, Math.floor(((point - from) / share) * cells))) };
}

function cells(kinds: readonly Kind[], cursor: number, colors: boolean) {
  const parts: { kind: Kind; text: string; cursor: boolean }[] = [];
  for (const [i, kind] of kinds.entries()) {
    const last = parts.at(-1);
    const { letter } = KINDS[kind];
    if (i !== cursor && last !== undefined && !last.cursor && last.kind === kind) last.text += letter;
    else parts.push({ kind, text: letter, cursor: i === cursor });
  }
  return parts.map(({ kind, text, cursor: marked }, i) => (
    // biome-ignore lint/suspicious/noArrayIndexKey: the parts are what they are by their place
    <Text key={i} {...(colors ? { color: KINDS[kind].color } : {})}>
      {marked ? inverse(text) : text}
    </Text>
  ));
}

function rangeText(start: number, length: number): string {
  return `${Math.floor(start)}..${Math.max(Math.floor(start), Math.ceil(start + length) - 1)}`;
}

function segmentText({
  start,
  length,
  kind,
  note,
}: {
  start: number;
  length: number;
  kind: Kind;
  note: string;
}): string {
  return `${KINDS[kind].about} ${spanText(start, length)}${note === '' ? '' : `: ${note}`}`;
}
