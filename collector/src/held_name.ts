/** Names that one process of a machine has at a time. */
import { createHash } from 'node:crypto';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** Bytes that a holder says of itself at most. */
const MOST_WORDS = 4096;
/** Who holds it says so at once. */
const PATIENCE_MS = 1000;

/** A name that is ours until it is given back, or this process ends, however it ends. */
export interface HeldName {
  release(): void;
}

/** A name in the kernel's abstract namespace: taken by one, and free again the moment its holder is gone. */
function socketName(kind: string, key: string): string {
  return `\0flowspan-${kind}-${createHash('sha256').update(key).digest('hex')}`;
}

/**
 * Takes a name.
 * @param words what is told to whoever asks who has it
 * @throws the error of a name that somebody else has: EADDRINUSE
 */
export async function holdName(kind: string, key: string, words = ''): Promise<HeldName> {
  const askers = new Set<Socket>();
  const server = createServer((socket) => {
    askers.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => askers.delete(socket));
    socket.resume();
    if (words === '') socket.destroy();
    else socket.write(`${words}\n`);
    socket.unref();
  });
  await listen(server, socketName(kind, key));
  server.unref();
  return {
    release() {
      server.close();
      for (const socket of askers) socket.destroy();
    },
  };
}

/** Who has a name. */
export interface NameHolder {
  readonly words: string;
  /** Resolved when it is gone. */
  readonly gone: Promise<void>;
  /** Waits no longer. */
  close(): void;
}

/** Asks who has a name; undefined if nobody has, or nobody who answers. */
export async function holderOf(kind: string, key: string): Promise<NameHolder | undefined> {
  const socket = connect(socketName(kind, key));
  const gone = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  socket.on('error', () => socket.destroy());
  const timer = setTimeout(() => socket.destroy(), PATIENCE_MS);
  const words = await new Promise<string | undefined>((resolve) => {
    let text = '';
    socket.on('data', (bytes: Buffer) => {
      text += bytes.toString();
      const end = text.indexOf('\n');
      if (end >= 0) resolve(text.slice(0, end));
      else if (text.length > MOST_WORDS) socket.destroy();
    });
    void gone.then(() => resolve(undefined));
  });
  clearTimeout(timer);
  return words === undefined ? undefined : { words, gone, close: () => socket.destroy() };
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((done, reject) => {
    server.once('error', reject);
    server.listen(path, done);
  });
}
