/** A ClickHouse that takes inserts: what arrived, and how it is to answer. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One INSERT as it arrived. */
export interface Insert {
  readonly table: string;
  readonly token: string;
  readonly body: Buffer;
}

/** How to answer: stored, an error code of ClickHouse, a hung-up connection, or no answer at all. */
export type Behaviour = 'ok' | 'hang up' | 'silent' | number;

export class FakeClickHouse {
  readonly inserts: Insert[] = [];
  readonly #server: Server;
  behaviour: (insert: Insert) => Behaviour = () => 'ok';
  /** How long a stored INSERT takes, milliseconds. */
  delayMs = 0;
  /** What a stored INSERT waits for beside that. */
  gate: (insert: Insert) => Promise<void> | undefined = () => undefined;
  /** Rows of a SELECT. */
  answer: (sql: string) => readonly unknown[] = (sql) =>
    sql.includes('system.tables') ? [{ replicated: 0, engine_full: 'non_replicated_deduplication_window = 1000' }] : [];

  constructor() {
    this.#server = createServer((request, response) => {
      const parameters = new URL(request.url ?? '', 'http://localhost').searchParams;
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => {
        if (!parameters.has('query')) {
          const rows = this.answer(Buffer.concat(parts).toString());
          response.end(rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
          return;
        }
        const table = /INSERT INTO (\w+)/.exec(parameters.get('query') ?? '')?.[1] ?? '';
        const insert = { table, token: parameters.get('insert_deduplication_token') ?? '', body: Buffer.concat(parts) };
        const answer = this.behaviour(insert);
        if (answer === 'hang up') {
          request.socket.destroy();
        } else if (answer === 'ok') {
          this.inserts.push(insert);
          const gate = this.gate(insert);
          if (gate === undefined) setTimeout(() => response.end(), this.delayMs);
          else void gate.then(() => response.end());
        } else if (answer !== 'silent') {
          response.writeHead(500, { 'x-clickhouse-exception-code': String(answer) });
          response.end(`Code: ${answer}. DB::Exception: as told. (TOLD)`);
        }
      });
    });
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
