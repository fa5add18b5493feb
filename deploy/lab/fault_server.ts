/**
 * An HTTP server with chosen faults, for the demo and for the test that measures causes.
 * Usage: fault_server.ts '{"port": 8080, "error_share": 0.3}'; see FaultServerOptions. SIGTERM ends it.
 */
import { once } from 'node:events';
import { createServer, get, type IncomingMessage, type ServerResponse } from 'node:http';

/** What is wrong with the server; by default nothing. */
export interface FaultServerOptions {
  readonly port: number;
  /** Address to listen on. Default `::`, which takes IPv4 as well. */
  readonly host?: string;
  /** Share of requests that are answered with 503, from 0 to 1, spread evenly. Default 0. */
  readonly error_share?: number;
  /** Share of requests that are answered with 404, from 0 to 1. Default 0. */
  readonly not_found_share?: number;
  /** Time in the application before each answer, in milliseconds, spent without blocking anything. Default 0. */
  readonly delay_ms?: number;
  /** Bytes of each answer's body. Default 200. */
  readonly body_bytes?: number;
  /** How long the event loop is blocked, in milliseconds: nothing is read or accepted meanwhile. Default 0: never. */
  readonly block_ms?: number;
  /** From the begin of one block to the begin of the next, in milliseconds. Default: the block and a tenth of it. */
  readonly every_ms?: number;
  /** How many blocks there are, the first one interval after the first connection. Default: no end. */
  readonly blocks?: number;
  /** Connections that may wait to be accepted. Default 511. */
  readonly backlog?: number;
  /** Where each request is passed on to, as a URL without a path; the answer has its status. Default: nowhere. */
  readonly upstream?: string;
}

/** Says whether the n-th call, from 0, is one of the share. */
function spread(share: number): () => boolean {
  let sum = 0.5;
  return () => {
    sum += share;
    if (sum < 1) return false;
    sum -= 1;
    return true;
  };
}

/** Blocks the event loop, without using the processor. */
function block(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

/** Blocks now and then again, as often as asked for; the signal ends it. */
function blockAgain(options: FaultServerOptions, block_ms: number, ended: AbortSignal): void {
  const { every_ms = block_ms * 1.1, blocks = Number.POSITIVE_INFINITY } = options;
  let left = blocks;
  const timer = setInterval(() => {
    block(block_ms);
    left -= 1;
    if (left <= 0) clearInterval(timer);
  }, every_ms);
  ended.addEventListener('abort', () => clearInterval(timer));
}

/** Status of the answer from upstream: 502 where there is none. */
function passOn(upstream: string, request: IncomingMessage, response: ServerResponse): Promise<number> {
  const headers = request.headers.traceparent === undefined ? {} : { traceparent: request.headers.traceparent };
  return new Promise((resolve) => {
    const passed = get(`${upstream}${request.url}`, { headers }, (answer) => {
      answer.resume();
      answer.on('end', () => resolve(answer.statusCode ?? 502));
      answer.on('error', () => resolve(502));
    });
    passed.on('error', () => resolve(502));
    // whoever asked has gone: nobody needs the answer
    response.on('close', () => passed.destroy());
  });
}

/** Starts the server; resolves when it listens, with what ends it and its connections. */
export async function startFaultServer(options: FaultServerOptions): Promise<() => void> {
  const { port, host = '::', delay_ms = 0, body_bytes = 200, block_ms = 0, backlog = 511, upstream } = options;
  const failing = spread(options.error_share ?? 0);
  const missing = spread(options.not_found_share ?? 0);
  const body = Buffer.alloc(body_bytes, 'x');
  const ended = new AbortController();
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    for await (const _ of request);
    const own = failing() ? 503 : missing() ? 404 : 200;
    const status = upstream === undefined ? own : await passOn(upstream, request, response);
    const send = (): void => void response.writeHead(status, { 'content-length': body_bytes }).end(body);
    if (delay_ms === 0) send();
    else setTimeout(send, delay_ms);
  };
  // A client that has gone is the client's fault: nothing to do here.
  const server = createServer((request, response) => void answer(request, response).catch(() => response.destroy()));
  server.keepAliveTimeout = 60_000;
  server.listen({ port, host, backlog });
  await once(server, 'listening');
  if (block_ms > 0) server.once('connection', () => blockAgain(options, block_ms, ended.signal));
  return () => {
    ended.abort();
    server.close();
    server.closeAllConnections();
  };
}

if (import.meta.main) await startFaultServer(JSON.parse(process.argv[2] ?? '{}') as FaultServerOptions);
