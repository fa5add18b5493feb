/** Asks the Kubernetes API server over HTTP/1.1, and gives its answers as they come. */
import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import { setImmediate as turn } from 'node:timers/promises';
import { FlowspanError } from '../../../../store/errors.ts';
import { type Connection, type Credentials, KEEP_ALIVE_MS } from './credentials.ts';
import { apiFailure } from './failure.ts';

/** What was asked and what came back. */
export interface Traffic {
  requests: number;
  /** Bytes of bodies received. */
  bytes: number;
}

export interface Question {
  readonly query: Readonly<Record<string, string>>;
  /** Header Accept. */
  readonly accept: string;
  /** Longest time without a byte, before the answer begins and in it, milliseconds. */
  readonly silenceMs: number;
  readonly signal: AbortSignal;
  /** Counted here, besides the sum over all. */
  readonly traffic: Traffic;
}

/** Read of the body of an answer that is no success. */
const FAILURE_BYTES = 65_536;
/** Read in one go; then others have their turn. */
const SLICE_BYTES = 262_144;
/** Codes of node:tls when one side does not trust the other's certificate. */
const NO_TRUST = /^(?:ERR_SSL|ERR_TLS|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO)/;

/** One client for all resources; each watch has a connection of its own. */
export class KubernetesApi {
  /** All that was asked with this client. */
  readonly traffic: Traffic = { requests: 0, bytes: 0 };
  readonly #credentials: Credentials;
  readonly #userAgent: string;

  /** @param userAgent by which the API server's log and its flow control know this collector */
  constructor(credentials: Credentials, userAgent: string) {
    this.#credentials = credentials;
    this.#userAgent = userAgent;
  }

  /**
   * GET.
   * @param path from the root of the API, with leading slash
   * @returns the body of a success; must be read or returned from
   * @throws ApiFailure for any other answer, FlowspanError FLOW_KUBERNETES_CONFIG, FLOW_KUBERNETES_CONNECTION,
   * FLOW_KUBERNETES_SILENT, the last two while the body is read as well; the signal's reason if it is aborted
   */
  async get(path: string, question: Question): Promise<AsyncGenerator<Buffer, void, void>> {
    return (await this.#ask(path, question)) ?? (await this.#ask(path, question, true))!;
  }

  /** @returns undefined, unless it is the last attempt, if an idle connection had ended unnoticed */
  async #ask(
    path: string,
    question: Question,
    isLast = false,
  ): Promise<AsyncGenerator<Buffer, void, void> | undefined> {
    question.signal.throwIfAborted();
    const connection = await this.#credentials.get();
    this.traffic.requests += 1;
    question.traffic.requests += 1;
    const call = this.#send(connection, path, question);
    try {
      const answer = await call.answer;
      if (answer.statusCode === 200) return this.#body(answer, call, question);
      if (answer.statusCode === 401) this.#credentials.refused();
      throw await failure(path, answer);
    } catch (error) {
      call.end();
      const cause = this.#explained(error, call, question);
      if (!isLast && call.wasIdle() && isConnectionError(cause)) return undefined;
      throw cause;
    }
  }

  /** Ends idle connections; those in use end by their signal. */
  close(): void {
    this.#credentials.close();
  }

  #send({ server, headers, agent }: Connection, path: string, question: Question): Call {
    const { query, accept, signal, silenceMs } = question;
    const url = new URL(server);
    url.pathname = `${server.pathname.replace(/\/$/, '')}${path}`;
    url.search = new URLSearchParams(query).toString();
    const options = { agent, signal, headers: { ...headers, accept, 'user-agent': this.#userAgent } };
    const request = (url.protocol === 'http:' ? http : https).get(url, options);
    const silence = setTimeout(() => {
      call.silent = silent(path, silenceMs);
      request.destroy();
    }, silenceMs);
    silence.unref();
    // The agent has idle connections probed only; a watch may be silent as long.
    request.on('socket', (socket) => socket.setKeepAlive(true, KEEP_ALIVE_MS));
    const call: Call = {
      answer: new Promise((resolve, reject) => {
        request.on('error', reject);
        request.on('response', resolve);
      }),
      silent: undefined,
      wasIdle: () => request.reusedSocket,
      heard: () => silence.refresh(),
      end: () => {
        clearTimeout(silence);
        request.destroy();
      },
    };
    return call;
  }

  async *#body(answer: IncomingMessage, call: Call, question: Question): AsyncGenerator<Buffer, void, void> {
    let slice = 0;
    try {
      for await (const chunk of answer as AsyncIterable<Buffer>) {
        call.heard();
        this.traffic.bytes += chunk.length;
        question.traffic.bytes += chunk.length;
        yield chunk;
        slice += chunk.length;
        if (slice < SLICE_BYTES) continue;
        slice = 0;
        await turn();
      }
    } catch (error) {
      throw this.#explained(error, call, question);
    } finally {
      // A connection whose answer was read to its end serves the next request.
      call.end();
    }
  }

  #explained(error: unknown, call: Call, { signal }: Question): unknown {
    if (signal.aborted) return signal.reason;
    if (call.silent !== undefined) return call.silent;
    if (error instanceof FlowspanError) return error;
    const { code = '', message } = error as NodeJS.ErrnoException;
    if (NO_TRUST.test(code)) this.#credentials.refused();
    return new FlowspanError(
      'FLOW_KUBERNETES_CONNECTION',
      `the connection to the API server fails (${message}): what is known of the cluster is kept, it is tried again`,
      { cause: error },
    );
  }
}

function isConnectionError(error: unknown): boolean {
  return error instanceof FlowspanError && error.code === 'FLOW_KUBERNETES_CONNECTION';
}

interface Call {
  readonly answer: Promise<IncomingMessage>;
  /** Set when it was given up because nothing came. */
  silent: FlowspanError | undefined;
  /** Whether it was sent on a connection that had served another request. */
  wasIdle(): boolean;
  /** A byte has come. */
  heard(): void;
  /** Frees what is left of it. */
  end(): void;
}

async function failure(path: string, answer: IncomingMessage): Promise<Error> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > FAILURE_BYTES) break;
  }
  let status: unknown;
  try {
    status = JSON.parse(Buffer.concat(chunks).toString());
  } catch {
    // A proxy in between answers in its own words.
  }
  return apiFailure(path, status, answer.statusCode ?? 0, answer.headers['retry-after']);
}

function silent(path: string, silenceMs: number): FlowspanError {
  const message = `${path}: no byte for ${silenceMs / 1000} s: the connection is given up and made anew`;
  return new FlowspanError('FLOW_KUBERNETES_SILENT', message);
}
