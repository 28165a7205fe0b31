/** The image as a list of directories to walk through. */
import { Box, Text, useInput, useStdout } from 'ink';
import { useEffect, useRef, useState } from 'react';
import type { EngineClient } from './engine-client.ts';
import { type InkKey, keysOf } from './keys.ts';
import type { ListedEntry, Listing } from './protocol.ts';
import { inverse } from './styles.ts';

interface Props {
  readonly engine: EngineClient;
  readonly start: string;
  leave(line?: string): void;
}

export function BrowseView({ engine, start, leave }: Props) {
  const { stdout } = useStdout();
  const columns = stdout.columns || 80;
  const room = Math.max(3, (stdout.rows || 24) - 8);
  const [path, setPath] = useState(start === '' ? '/' : start);
  const [listing, setListing] = useState<Listing | null>(null);
  // A piece of input may hold many keys, so the state cannot wait for a drawing between two of them.
  const cursor = useRef(0);
  const [, draw] = useState(0);
  const entries = listing !== null && 'entries' in listing ? listing.entries : [];
  const at = Math.max(0, Math.min(cursor.current, entries.length - 1));
  const entry = entries[at];
  const setAt = (next: (now: number) => number) => {
    cursor.current = Math.max(0, Math.min(entries.length - 1, next(cursor.current)));
    draw((count) => count + 1);
  };

  useEffect(() => {
    engine.list(path).then(setListing);
  }, [engine, path]);

  const chosen = () => entries[cursor.current];

  const go = (to: string, index = 0) => {
    setListing(null);
    cursor.current = index;
    setPath(to);
  };

  useInput((input, key) => {
    for (const one of keysOf(input, key as InkKey)) {
      const name = one.name ?? one.input;
      if (name === 'q' || input === '\u001b' || (one.ctrl && name === 'c')) leave();
      else if (name === 'up') setAt((now) => now - 1);
      else if (name === 'down') setAt((now) => now + 1);
      else if (name === 'home') setAt(() => 0);
      else if (name === 'end') setAt(() => entries.length - 1);
      else if (name === ' ') setAt((now) => now + room);
      else if (name === 'left' || name === 'backspace') go(path.replace(/\/[^/]+\/?$/, '') || '/');
      else if ((name === 'enter' || name === 'right') && chosen()?.type === 'dir')
        go(below(path, chosen()?.name ?? ''));
      else if (name === 'm' && chosen()?.type === 'file') leave(below(path, chosen()?.name ?? ''));
    }
  });

  const first = Math.max(0, Math.min(at - Math.floor(room / 2), entries.length - room));
  return (
    <Box flexDirection="column" width={columns}>
      <Text bold wrap="truncate">
        {path}
      </Text>
      {listing === null && <Text>reading</Text>}
      {listing !== null && 'error' in listing && <Text>{listing.error}</Text>}
      {listing !== null && 'entries' in listing && entries.length === 0 && <Text>(empty)</Text>}
      {entries.slice(first, first + room).map((one) => (
        <Text key={one.name} wrap="truncate">
          {one === entry ? inverse(rowText(one)) : rowText(one)}
        </Text>
      ))}
      {(entry?.facts ?? []).map((fact) => (
        <Text key={fact} dimColor wrap="truncate">
          {'  '}
          {fact}
        </Text>
      ))}
      <Text dimColor wrap="truncate">
        q leaves, arrows move, enter goes in, left goes back, m maps a file
      </Text>
    </Box>
  );
}

const below = (path: string, name: string): string => (path === '/' ? `/${name}` : `${path}/${name}`);

function rowText({ name, type, size }: ListedEntry): string {
  const mark = type === 'dir' ? '/' : type === 'symlink' ? '@' : '';
  return `${String(size).padStart(14)}  ${name}${mark}`;
}
