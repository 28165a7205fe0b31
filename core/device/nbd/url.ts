/** The names of network block exports: nbd://HOST[:PORT]/EXPORT and nbd+unix:///EXPORT?socket=PATH. */
import { FsError } from '../../errors.ts';

/** Where a server listens, and which of its exports is meant ('' is its default one). */
export interface NbdAddress {
  readonly host: string | null;
  readonly port: number;
  /** Path of a Unix socket; null for TCP. */
  readonly socket: string | null;
  readonly exportName: string;
  /** Seconds for which a connection that broke is tried again. */
  readonly reconnect: number;
}

const DEFAULT_PORT = 10809;
const DEFAULT_RECONNECT = 20;

/** The address in a URL. @throws FsError EINVAL not well formed, EOPNOTSUPP for TLS and other transports */
export function parseNbdUrl(name: string): NbdAddress {
  const match = /^(nbds?(?:\+[a-z]+)?):\/\/([^/?#]*)(\/[^?#]*)?(?:\?([^#]*))?$/.exec(name);
  if (match === null) throw new FsError('EINVAL', { path: name, detail: 'not an NBD address' });
  const [, scheme = '', authority = '', path = '', query = ''] = match;
  if (scheme.startsWith('nbds')) {
    throw new FsError('EOPNOTSUPP', { path: name, detail: 'NBD over TLS is not supported; use a tunnel, and nbd://' });
  }
  const exportName = decoded(name, path.replace(/^\//, ''));
  const settings = new URLSearchParams(query);
  const reconnect = Number(settings.get('reconnect') ?? DEFAULT_RECONNECT);
  if (!(reconnect >= 0)) throw new FsError('EINVAL', { path: name, detail: 'reconnect is a number of seconds' });
  if (scheme === 'nbd+unix') {
    const socket = settings.get('socket');
    if (authority !== '' || socket === null || socket === '') {
      throw new FsError('EINVAL', { path: name, detail: 'expected nbd+unix:///EXPORT?socket=PATH' });
    }
    return { host: null, port: 0, socket, exportName, reconnect };
  }
  if (scheme !== 'nbd') throw new FsError('EOPNOTSUPP', { path: name, detail: `no transport ${scheme}` });
  const place = /^(?:[^@]*@)?(\[[0-9a-fA-F:.]+\]|[^:[\]]+)(?::(\d{1,5}))?$/.exec(authority);
  const port = place?.[2] === undefined ? DEFAULT_PORT : Number(place[2]);
  if (place === null || port < 1 || port > 65535) {
    throw new FsError('EINVAL', { path: name, detail: 'expected nbd://HOST[:PORT]/EXPORT' });
  }
  return { host: (place[1] as string).replace(/^\[|\]$/g, ''), port, socket: null, exportName, reconnect };
}

function decoded(name: string, text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new FsError('EINVAL', { path: name, detail: 'a % in the export name is not followed by two hex digits' });
  }
}
