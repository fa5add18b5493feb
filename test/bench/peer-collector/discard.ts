/**
 * A ClickHouse that acknowledges every INSERT and keeps none, so that a collector's own work is all that is measured. As a
 * program: discard.ts PORT, which also answers GET /seen with what came and GET /first with the first batch of requests.
 */
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { type Program, start } from '../../../deploy/lab/program.ts';
import { eventually } from '../../../deploy/lab/wait.ts';
import { SCHEMA, schemaHash } from '../../../store/schema.ts';
import { freePorts } from '../../support/flowspan.ts';
import { pinned } from '../kit/cpu.ts';

const FILE = fileURLToPath(import.meta.url);
const DATABASE = 'flowspan';

/** What it has acknowledged. */
export interface Seen {
  readonly inserts: number;
  readonly bytes: number;
}

export interface Discarding {
  readonly url: string;
  seen(): Promise<Seen>;
  /** Rows of the first batch of `requests`, in RowBinary. */
  first(): Promise<Uint8Array>;
  stop(): Promise<void>;
}

/** Starts it. */
export async function startDiscarding(cores: string): Promise<Discarding> {
  const [port] = await freePorts(1);
  const program: Program = start({}, pinned(cores, [process.execPath, FILE, String(port)]));
  const url = `http://127.0.0.1:${port}`;
  const ask = (path: string) => fetch(`${url}${path}`, { signal: AbortSignal.timeout(5_000) });
  await eventually('the discarding ClickHouse', () => ask('/seen').then(Boolean, () => undefined));
  return {
    url,
    seen: async () => (await ask('/seen')).json() as Promise<Seen>,
    first: async () => (await ask('/first')).bytes(),
    stop: () => program.stop(),
  };
}

/** Answers that a collector asks for before it sends: the tables are there, and are of this version. */
function answer(sql: string): string {
  if (sql.includes('schema_hash')) return `${JSON.stringify({ schema_hash: schemaHash(DATABASE, SCHEMA) })}\n`;
  if (sql.includes('engine_full')) {
    return `${JSON.stringify({ replicated: 0, engine_full: 'non_replicated_deduplication_window = 1000' })}\n`;
  }
  return '';
}

function serve(port: number): void {
  const seen = { inserts: 0, bytes: 0 };
  let first: Buffer | undefined;
  createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://localhost');
    const sql = searchParams.get('query');
    const keeps = sql === null || (first === undefined && sql.includes('INTO requests '));
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => {
      if (sql !== null) seen.bytes += part.length;
      if (keeps) parts.push(part);
    });
    request.on('end', () => {
      const body = Buffer.concat(parts);
      if (pathname === '/seen') response.end(JSON.stringify(seen));
      else if (pathname === '/first') response.end(first);
      else if (sql === null) response.end(answer(body.toString()));
      else {
        seen.inserts += 1;
        if (keeps) first = body;
        response.end();
      }
    });
  }).listen(port, '127.0.0.1');
}

if (process.argv[1] === FILE) serve(Number(process.argv[2]));
