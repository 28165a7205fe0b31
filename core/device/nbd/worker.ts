/**
 * The thread that talks to the server while the engine's thread waits (Atomics.wait) or goes on. One call at a time
 * is answered through `state`; writes are taken without an answer, their bytes counted in `queued` until the server
 * has them. A write that fails is told at the next call, and from then on.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { NbdSession, SessionError } from './session.ts';
import { Control, type Request, type Shared } from './shared.ts';

const { address, control, window, text } = workerData as Shared;
const words = new Int32Array(control);
const bytes = new Uint8Array(window);
let session: NbdSession | null = null;
let failed: SessionError | null = null;

/** Lets the other thread go on. */
function answer(state: number, said: object): void {
  const encoded = Buffer.from(JSON.stringify(said)).subarray(0, text.byteLength);
  new Uint8Array(text).set(encoded);
  words[Control.TEXT] = encoded.length;
  Atomics.store(words, Control.STATE, state);
  Atomics.notify(words, Control.STATE);
}

async function call(work: () => Promise<object>): Promise<void> {
  try {
    answer(Control.DONE, await work());
  } catch (error) {
    const { code, message } = asError(error);
    answer(Control.FAILED, { code, message });
  }
}

function asError(error: unknown): SessionError {
  return error instanceof SessionError ? error : new SessionError('EIO', (error as Error).message);
}

function opened(): NbdSession {
  if (failed !== null) throw failed;
  if (session === null) throw new SessionError('EIO', 'not connected');
  return session;
}

async function take({ addr, bytes: from }: { addr: number; bytes: Uint8Array }): Promise<void> {
  try {
    await opened().write(addr, from);
  } catch (error) {
    failed ??= asError(error);
    Atomics.store(words, Control.BROKEN, 1);
  }
  Atomics.sub(words, Control.QUEUED, from.length);
  Atomics.notify(words, Control.QUEUED);
}

parentPort?.on('message', (request: Request) => {
  if (request.kind === 'write') take(request);
  else if (request.kind === 'read') {
    call(async () => {
      await opened().read(request.addr, bytes.subarray(0, request.length));
      return {};
    });
  } else if (request.kind === 'flush') {
    call(async () => {
      await opened().flush();
      // A write that failed while the flush waited for it.
      return opened().info;
    });
  } else {
    call(async () => {
      await session?.close();
      setImmediate(() => process.exit());
      return {};
    });
  }
});

call(async () => {
  session = await NbdSession.open(address);
  return session.info;
});
