/** What `flowspan observe` asks the query API. */
import { WebSocket } from 'ws';
import { LIVE_PROTOCOL } from '../src/access.ts';
import type { Completeness } from '../src/completeness.ts';
import { LIVE_TYPES, type LiveType } from '../src/live/question.ts';
import type { ObserveCommand } from './observe_flags.ts';

/** A row with its kind. */
export interface ObservedRow {
  readonly type: LiveType;
  readonly row: Readonly<Record<string, unknown>>;
}

/** A frame of the live feed. */
export type LiveFrame =
  | ObservedRow
  | { readonly type: 'completeness'; readonly completeness: Completeness }
  | { readonly type: 'lost'; readonly reason: string; readonly count: string }
  | { readonly type: 'unreachable'; readonly collector: string; readonly reason: string };

/** The query API refused, failed, or could not be reached; `code` is its own or FLOW_CLI_UNREACHABLE. */
export class ClientError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

interface Page {
  readonly data: Record<string, unknown>[];
  readonly next: string | null;
  readonly completeness: Completeness;
}

const PAGE_ROWS = 1_000;

function headersOf(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const token = env.FLOWSPAN_QUERY_API_TOKEN ?? '';
  return token === '' ? {} : { authorization: `Bearer ${token}` };
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Asks for JSON.
 * @throws ClientError
 */
export async function getJson<T>(url: string, env: Environment): Promise<T> {
  return await askJson(url, { headers: headersOf(env) });
}

/**
 * Asks for JSON with a body of JSON.
 * @throws ClientError
 */
export async function postJson<T>(url: string, body: unknown, env: Environment): Promise<T> {
  const headers = { ...headersOf(env), 'content-type': 'application/json' };
  return await askJson(url, { method: 'POST', headers, body: JSON.stringify(body) });
}

async function askJson<T>(url: string, init: RequestInit): Promise<T> {
  let response: Response;
  try {
    response = await fetch(url, init);
  } catch (cause) {
    throw new ClientError(
      'FLOW_CLI_UNREACHABLE',
      `${new URL(url).origin} does not answer: is flowspan up running there?`,
      {
        cause,
      },
    );
  }
  const body = (await response.json().catch(() => ({}))) as { code?: string; detail?: string; next_step?: string };
  if (response.ok) return body as T;
  const words = [body.detail ?? `HTTP status ${response.status}`, body.next_step].filter((part) => part !== undefined);
  throw new ClientError(body.code ?? 'FLOW_CLI_REFUSED', words.join('. '));
}

/** Reads recorded rows. */
export class ObserveClient {
  readonly #command: ObserveCommand;
  readonly #env: Readonly<Record<string, string | undefined>>;
  /** How complete what was read so far is, by kind of row. */
  readonly completeness = new Map<LiveType, Completeness>();

  constructor(command: ObserveCommand, env: Readonly<Record<string, string | undefined>>) {
    this.#command = command;
    this.#env = env;
  }

  /** The newest `count` rows of all kinds, oldest first. */
  async last(count: number): Promise<ObservedRow[]> {
    if (count === 0) return [];
    const lists = await Promise.all(this.#types().map((type) => collect(this.#rows(type, '-time', count), count)));
    return inOrder(lists.flat()).slice(-count);
  }

  /** Rows of all kinds from the oldest on. */
  async *fromFirst(): AsyncGenerator<ObservedRow> {
    const heads = await Promise.all(
      this.#types().map(async (type) => {
        const rows = this.#rows(type, 'time', PAGE_ROWS);
        return { rows, head: await rows.next() };
      }),
    );
    for (;;) {
      const [earliest] = heads
        .filter(({ head }) => !head.done)
        .sort((a, b) => (timeOf(a.head.value as ObservedRow) < timeOf(b.head.value as ObservedRow) ? -1 : 1));
      if (earliest === undefined) return;
      yield earliest.head.value as ObservedRow;
      earliest.head = await earliest.rows.next();
    }
  }

  /**
   * Rows as they are recorded. Resolves when `signal` ends it.
   * @param take a promise it returns holds the feed until it resolves; the query API then counts what is left out
   * @throws ClientError when the feed cannot be had or breaks off
   */
  follow(take: (frame: LiveFrame) => Promise<unknown> | undefined, signal: AbortSignal): Promise<void> {
    const [filters] = [...this.#command.parameters.values()];
    const query = new URLSearchParams(filters);
    query.set('types', this.#types().join(','));
    const url = `${this.#command.server.replace(/^http/, 'ws')}/v1/live?${query}`;
    const socket = new WebSocket(url, LIVE_PROTOCOL, { headers: headersOf(this.#env) });
    return new Promise((resolve, reject) => {
      const fail = (code: string, message: string) => reject(new ClientError(code, message));
      signal.addEventListener('abort', () => {
        socket.terminate();
        resolve();
      });
      socket.on('message', (data) => {
        const busy = take(JSON.parse(String(data)) as LiveFrame);
        if (busy === undefined) return;
        socket.pause();
        void busy.finally(() => socket.resume());
      });
      socket.on('unexpected-response', (_request, response) => {
        fail('FLOW_CLI_REFUSED', `the live feed was refused with HTTP status ${response.statusCode}`);
        response.resume();
        socket.terminate();
      });
      socket.on('error', (error) => fail('FLOW_CLI_UNREACHABLE', `no live feed: ${error.message}`));
      socket.on('close', (code, reason) => fail('FLOW_CLI_CLOSED', `the live feed ended (${code} ${reason})`));
    });
  }

  #types(): LiveType[] {
    return [...this.#command.parameters.keys()];
  }

  async *#rows(type: LiveType, order: string, pageRows: number): AsyncGenerator<ObservedRow> {
    const { server, parameters, since, until } = this.#command;
    const query = new URLSearchParams(parameters.get(type));
    query.set('order', order);
    query.set('limit', String(Math.min(pageRows, PAGE_ROWS)));
    if (since !== undefined) query.set('since', since);
    if (until !== undefined) query.set('until', until);
    for (let next: string | null = ''; next !== null; ) {
      if (next !== '') query.set('cursor', next);
      const page: Page = await getJson<Page>(`${server}/v1/${LIVE_TYPES[type].route}?${query}`, this.#env);
      this.completeness.set(type, page.completeness);
      for (const row of page.data) yield { type, row };
      next = page.next;
    }
  }
}

const timeOf = ({ row }: ObservedRow) => String(row.time);
const inOrder = (rows: ObservedRow[]) => rows.sort((a, b) => (timeOf(a) < timeOf(b) ? -1 : 1));

async function collect(rows: AsyncGenerator<ObservedRow>, count: number): Promise<ObservedRow[]> {
  const list: ObservedRow[] = [];
  for await (const row of rows) {
    list.push(row);
    if (list.length >= count) break;
  }
  return list;
}
