/** The body of a request: a statement, or an INSERT's rows, which go to a file and never as a whole into memory. */
import { createWriteStream } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { PassThrough, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from 'node:zlib';
import { EngineError } from './engine_error.ts';
import { beginsWithInsert, type InsertHead, insertHead } from './statement.ts';

/** Longest statement, rows left out: as long as the engine reads, by its max_query_size. */
export const MAX_STATEMENT_BYTES = 256 * 1024;

/** How much more of a body must have come before it is looked at again: small chunks would else make it dear. */
const GROWTH = 1.5;

/** Most bytes of rows in one INSERT, decompressed. */
export const MAX_INSERT_BYTES = 4 * 1024 ** 3;

/** A statement without rows of its own, or an INSERT with its rows still to be read. */
export type Body =
  | { readonly kind: 'statement'; readonly text: string }
  | { readonly kind: 'insert'; readonly head: InsertHead; saveRows(path: string): Promise<number> };

const DECODERS: Readonly<Record<string, () => NodeJS.ReadWriteStream>> = {
  gzip: createGunzip,
  'x-gzip': createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
  zstd: createZstdDecompress,
};

/**
 * Reads as much of the body as it takes to know the statement.
 * @param query what the URL says; the body continues it
 * @param gone its reason is thrown if it fires while the statement is still coming
 * @throws EngineError 62 for a statement longer than MAX_STATEMENT_BYTES, 48 for an unknown Content-Encoding
 */
export async function readBody(request: IncomingMessage, query: string, gone: AbortSignal): Promise<Body> {
  const source = decoded(request)[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  const prefix = Buffer.from(query === '' ? '' : `${query.trimEnd()}\n`);
  const parts: Buffer[] = [prefix];
  let text = prefix.toString('latin1');
  let nextLook = 0;
  for (let whole = false; ; ) {
    if (whole || text.length >= nextLook) {
      const head = beginsWithInsert(text) ? insertHead(text, whole) : undefined;
      if (head !== undefined && head !== 'none') return insertBody(head, Buffer.concat(parts), source);
      nextLook = text.length * GROWTH;
    }
    if (whole) return { kind: 'statement', text: Buffer.concat(parts).toString() };
    const next = await until(gone, pull(source));
    if (next.done) {
      whole = true;
      continue;
    }
    parts.push(next.value);
    text += next.value.toString('latin1');
    if (text.length > MAX_STATEMENT_BYTES) {
      const head = beginsWithInsert(text) ? insertHead(text, false) : undefined;
      if (head !== undefined && head !== 'none') return insertBody(head, Buffer.concat(parts), source);
      throw new EngineError(62, `Max query size exceeded: a statement has at most ${MAX_STATEMENT_BYTES} bytes here`);
    }
  }
}

function decoded(request: IncomingMessage): Readable {
  const encoding = String(request.headers['content-encoding'] ?? 'identity').toLowerCase();
  if (encoding === 'identity') return request;
  const decoder = DECODERS[encoding];
  if (decoder === undefined) {
    throw new EngineError(48, `Content-Encoding ${encoding} is not known: use ${Object.keys(DECODERS).join(', ')}`);
  }
  const out = new PassThrough();
  // Whoever reads is told as well; one that reads no more needs not be.
  out.on('error', () => undefined);
  pipeline(request, decoder(), out).catch((cause) => out.destroy(cause));
  return out;
}

async function until<T>(gone: AbortSignal, coming: Promise<T>): Promise<T> {
  gone.throwIfAborted();
  const { promise, reject } = Promise.withResolvers<never>();
  const tell = () => reject(gone.reason);
  gone.addEventListener('abort', tell, { once: true });
  coming.catch(() => undefined);
  return await Promise.race([coming, promise]).finally(() => gone.removeEventListener('abort', tell));
}

async function pull(source: AsyncIterator<Buffer>): Promise<IteratorResult<Buffer>> {
  try {
    return await source.next();
  } catch (cause) {
    const code = String((cause as NodeJS.ErrnoException).code ?? '');
    if (code.startsWith('Z_') || code.startsWith('ERR_')) {
      throw new EngineError(354, `Body cannot be decompressed: ${(cause as Error).message}`, { cause });
    }
    throw new EngineError(210, 'The client went away before its request was complete', { cause });
  }
}

/** Head positions count bytes, because the text was read as latin1. */
function insertBody(head: InsertHead, read: Buffer, source: AsyncIterator<Buffer>): Body {
  const utf8 = (latin1: string) => Buffer.from(latin1, 'latin1').toString();
  return {
    kind: 'insert',
    head: { ...head, before: utf8(head.before), settings: utf8(head.settings) },
    async saveRows(path) {
      let size = 0;
      async function* rows() {
        for (let chunk = read.subarray(head.dataAt); ; ) {
          size += chunk.length;
          if (size > MAX_INSERT_BYTES) {
            throw new EngineError(307, `An INSERT has at most ${MAX_INSERT_BYTES} bytes of rows: send it in pieces`);
          }
          if (chunk.length > 0) yield chunk;
          const next = await pull(source);
          if (next.done) return;
          chunk = next.value;
        }
      }
      await pipeline(rows(), createWriteStream(path, { mode: 0o600 }));
      return size;
    },
  };
}
