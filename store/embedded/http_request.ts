/** What an HTTP request asks for: ClickHouse's URL parameters and headers, sorted. */
import type { IncomingMessage } from 'node:http';
import { EngineError } from './engine_error.ts';

/** The parts of a request besides its statement. */
export interface Asked {
  readonly queryId: string;
  readonly database: string | undefined;
  /** Format for statements that name none. */
  readonly defaultFormat: string;
  readonly settings: ReadonlyMap<string, string>;
  readonly parameters: Readonly<Record<string, string>>;
  /** Statement, or its beginning, from the URL. */
  readonly query: string;
  /** Encoding the answer may have. */
  readonly encoding: 'gzip' | 'identity';
  readonly method: string;
  /** Who shares slots with whom: the address, and the quota key by which a front tells its own clients apart. */
  readonly asker: string;
}

const NO_SETTING = new Set([
  'buffer_size',
  'client_protocol_version',
  'database',
  'default_format',
  'password',
  'query',
  'query_id',
  'quota_key',
  'session_check',
  'session_timeout',
  'stacktrace',
  'user',
]);

const REFUSED: Readonly<Record<string, string>> = {
  session_id: 'Sessions are not kept: every query stands alone',
  role: 'There are no roles: leave role out',
};

/**
 * Sorts a request's parameters.
 * @param makeId gives the query id if the request names none
 * @throws EngineError 48 for what this front does not have, 36 for a bad name
 */
export function askedBy(request: IncomingMessage, url: URL, makeId: () => string): Asked {
  const settings = new Map<string, string>();
  const parameters: Record<string, string> = {};
  for (const [name, value] of url.searchParams) {
    const refusal = REFUSED[name];
    if (refusal !== undefined) throw new EngineError(48, refusal);
    if ((name === 'compress' || name === 'decompress') && value !== '0') {
      throw new EngineError(48, `${name}: ClickHouse's own compression is not spoken here: use Content-Encoding: gzip`);
    }
    if (name.startsWith('param_')) parameters[checked(name.slice(6))] = value;
    else if (!NO_SETTING.has(name) && name !== 'compress' && name !== 'decompress') settings.set(checked(name), value);
  }
  const accepts = /(?:^|,)\s*gzip\s*(?:;\s*q=(?!0(?:\.0*)?\s*(?:,|$))[\d.]+\s*)?(?:,|$)/i;
  const compressed = settings.get('enable_http_compression') === '1';
  return {
    queryId: checkedId(url.searchParams.get('query_id') ?? '') || makeId(),
    database: url.searchParams.get('database') || header(request, 'x-clickhouse-database'),
    defaultFormat: url.searchParams.get('default_format') || header(request, 'x-clickhouse-format') || 'TabSeparated',
    settings,
    parameters,
    query: url.searchParams.get('query') ?? '',
    encoding: compressed && accepts.test(String(request.headers['accept-encoding'] ?? '')) ? 'gzip' : 'identity',
    method: request.method ?? 'GET',
    asker: `${request.socket.remoteAddress} ${url.searchParams.get('quota_key') || header(request, 'x-clickhouse-quota') || ''}`,
  };
}

function header(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** A query id stands in a header of the answer. */
function checkedId(id: string): string {
  if (!/^[\x20-\x7e]*$/.test(id)) throw new EngineError(36, `query_id ${JSON.stringify(id)} is not printable ASCII`);
  return id;
}

function checked(name: string): string {
  if (!/^[A-Za-z_]\w*$/.test(name)) {
    throw new EngineError(
      36,
      `${JSON.stringify(name)} is no name of a setting or parameter: letters, digits and _ only`,
    );
  }
  return name;
}
