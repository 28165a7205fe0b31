/**
 * From a connected socket to an export: fixed newstyle negotiation. Structured replies are asked for first, then GO
 * with the block sizes; a server without GO is asked by EXPORT_NAME. What a server refuses is a Refusal, which no
 * second attempt would change; a connection that broke is any other Error.
 */
import type { Errno } from '../../errors.ts';
import {
  ERR_UNSUPPORTED,
  type ExportInfo,
  Handshake,
  INIT_MAGIC,
  Info,
  OLDSTYLE_MAGIC,
  OPTION_ERRORS,
  OPTION_MAGIC,
  OPTION_REPLY_MAGIC,
  Option,
  Reply,
} from './protocol.ts';
import type { SocketStream } from './stream.ts';

/** The server understood, and said no; the message says what. */
export class Refusal extends Error {
  readonly code: Errno;

  constructor(message: string, code: Errno = 'EOPNOTSUPP') {
    super(message);
    this.code = code;
  }
}

const CODES: Record<number, Errno> = { 0x80000002: 'EACCES', 0x80000006: 'ENOENT', 0x80000007: 'EBUSY' };

const MAX_PAYLOAD = 32 * 2 ** 20;
/** Longer replies than this are nobody's. */
const REPLY_LIMIT = 2 ** 20;

/** Negotiates for one export. @throws Refusal, Error */
export async function negotiate(stream: SocketStream, exportName: string): Promise<ExportInfo> {
  const noZeroes = await greet(stream);
  const structured = await askStructured(stream);
  const info = await go(stream, exportName);
  return { ...(info ?? (await byName(stream, exportName, noZeroes))), structured };
}

async function greet(stream: SocketStream): Promise<boolean> {
  const hello = await stream.read(18);
  if (hello.readBigUInt64BE(0) !== INIT_MAGIC) throw new Refusal('what answers there is no NBD server');
  const style = hello.readBigUInt64BE(8);
  if (style === OLDSTYLE_MAGIC)
    throw new Refusal('the server speaks only the old handshake (qemu-nbd: export with -x)');
  if (style !== OPTION_MAGIC) throw new Refusal('what answers there is no NBD server');
  const flags = hello.readUInt16BE(16);
  if ((flags & Handshake.FIXED_NEWSTYLE) === 0)
    throw new Refusal('the server does not speak the fixed newstyle handshake');
  const reply = Buffer.alloc(4);
  reply.writeUInt32BE(flags & (Handshake.FIXED_NEWSTYLE | Handshake.NO_ZEROES));
  stream.socket.write(reply);
  return (flags & Handshake.NO_ZEROES) !== 0;
}

/** What a client says that does not want the export after all. */
export function abortOption(): Buffer {
  return optionBytes(Option.ABORT, Buffer.alloc(0));
}

function sendOption(stream: SocketStream, option: number, data: Buffer): void {
  stream.socket.write(optionBytes(option, data));
}

function optionBytes(option: number, data: Buffer): Buffer {
  const header = Buffer.alloc(16);
  header.writeBigUInt64BE(OPTION_MAGIC);
  header.writeUInt32BE(option, 8);
  header.writeUInt32BE(data.length, 12);
  return Buffer.concat([header, data]);
}

async function optionReply(stream: SocketStream, option: number): Promise<{ type: number; data: Buffer }> {
  const header = await stream.read(20);
  if (header.readBigUInt64BE(0) !== OPTION_REPLY_MAGIC || header.readUInt32BE(8) !== option) {
    throw new Refusal('the server breaks the protocol while negotiating');
  }
  const length = header.readUInt32BE(16);
  if (length > REPLY_LIMIT) throw new Refusal(`the server breaks the protocol: a reply of ${length} bytes`);
  return { type: header.readUInt32BE(12), data: await stream.read(length) };
}

async function askStructured(stream: SocketStream): Promise<boolean> {
  sendOption(stream, Option.STRUCTURED_REPLY, Buffer.alloc(0));
  const reply = await optionReply(stream, Option.STRUCTURED_REPLY);
  if (reply.type !== Reply.ACK && reply.type !== ERR_UNSUPPORTED) refuse(reply);
  return reply.type === Reply.ACK;
}

function refuse({ type, data }: { type: number; data: Buffer }): never {
  const reason = OPTION_ERRORS[type] ?? `the server refuses with ${type.toString(16)}`;
  const said = data
    .toString('utf8')
    .replace(/[^\x20-\x7e]/g, ' ')
    .trim();
  throw new Refusal(said === '' ? reason : `${reason} (${said})`, CODES[type]);
}

/** Null: the server does not know GO. */
async function go(stream: SocketStream, exportName: string): Promise<Omit<ExportInfo, 'structured'> | null> {
  const name = Buffer.from(exportName);
  const data = Buffer.alloc(4 + name.length + 4);
  data.writeUInt32BE(name.length);
  name.copy(data, 4);
  data.writeUInt16BE(1, 4 + name.length);
  data.writeUInt16BE(Info.BLOCK_SIZE, 6 + name.length);
  sendOption(stream, Option.GO, data);
  let size: number | null = null;
  let flags = 0;
  let minBlock = 1;
  let maxPayload = MAX_PAYLOAD;
  for (let replies = 0; replies < 64; replies++) {
    const { type, data: info } = await optionReply(stream, Option.GO);
    if (type === ERR_UNSUPPORTED) return null;
    if (type >= Reply.ERROR) refuse({ type, data: info });
    if (type === Reply.ACK) break;
    if (type !== Reply.INFO || info.length < 2) continue;
    const kind = info.readUInt16BE(0);
    if (kind === Info.EXPORT && info.length >= 12) {
      size = sizeOf(info.readBigUInt64BE(2));
      flags = info.readUInt16BE(10);
    } else if (kind === Info.BLOCK_SIZE && info.length >= 14) {
      minBlock = info.readUInt32BE(2);
      maxPayload = Math.min(MAX_PAYLOAD, info.readUInt32BE(10));
    }
  }
  if (size === null) throw new Refusal('the server breaks the protocol: it does not say how large the export is');
  if (minBlock < 1 || minBlock > 65536 || (minBlock & (minBlock - 1)) !== 0 || maxPayload < minBlock) {
    throw new Refusal(`the server breaks the protocol: blocks of ${minBlock} to ${maxPayload} bytes`);
  }
  return { size, flags, minBlock, maxPayload: maxPayload - (maxPayload % minBlock) };
}

async function byName(
  stream: SocketStream,
  exportName: string,
  noZeroes: boolean,
): Promise<Omit<ExportInfo, 'structured'>> {
  sendOption(stream, Option.EXPORT_NAME, Buffer.from(exportName));
  let answer: Buffer;
  try {
    answer = await stream.read(noZeroes ? 10 : 134);
  } catch {
    // The only way in which a server can refuse this option.
    throw new Refusal(OPTION_ERRORS[0x80000006] as string, 'ENOENT');
  }
  // Without an answer about block sizes, 512 is what the protocol calls safe.
  return {
    size: sizeOf(answer.readBigUInt64BE(0)),
    flags: answer.readUInt16BE(8),
    minBlock: 512,
    maxPayload: MAX_PAYLOAD,
  };
}

function sizeOf(bytes: bigint): number {
  if (bytes > BigInt(Number.MAX_SAFE_INTEGER)) throw new Refusal('the export is larger than 2^53 - 1 bytes');
  return Number(bytes);
}
