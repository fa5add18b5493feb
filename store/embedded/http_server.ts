/** ClickHouse's HTTP interface in front of the engine. */
import { randomUUID } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { guardConnections, SLOW_REQUESTS } from '../../collector/src/connections.ts';
import type { MetricsPage } from '../../collector/src/telemetry/metrics_page.ts';
import type { Account } from './accounts.ts';
import { authenticate } from './accounts.ts';
import type { Engine, Job } from './engine.ts';
import { EngineError } from './engine_error.ts';
import { goneSignal, leaveBody, readerPatienceMs } from './gone.ts';
import { helloBlock, isHello } from './hello.ts';
import { Answer, connectionRefusals, sendError, summary } from './http_answer.ts';
import { type Body, readBody } from './http_body.ts';
import { type Asked, askedBy } from './http_request.ts';
import { insertSettings, jobFor } from './jobs.ts';
import type { ReaderLimits } from './reader_settings.ts';
import { Refusals } from './refusals.ts';
import type { ResultPipes } from './result_pipe.ts';
import { parseStatement, type Statement } from './statement.ts';
import type { StatementWatch, WatchedStatement } from './statement_watch.ts';
import { tokens } from './tokens.ts';

/** What the front stands on. */
export interface Front {
  readonly engine: Engine;
  readonly pipes: ResultPipes;
  readonly accounts: readonly Account[];
  readonly readerLimits: ReaderLimits;
  readonly watch: StatementWatch;
  /** Answers GET /metrics. */
  readonly page: MetricsPage;
  /** Told of every error that is not the asker's. */
  readonly report: (error: EngineError, queryId: string) => void;
}

/** Results up to here are sent whole, with their counts; larger ones stream. */
const WHOLE_ANSWER_BYTES = 1024 ** 2;
/** The same for requests with wait_end_of_query. */
const AWAITED_ANSWER_BYTES = 64 * 1024 ** 2;

/** Most bytes of request line and headers: an INSERT that names every column stands in the URL. */
const MAX_HEADER_BYTES = 256 * 1024;

/** A front that is ready to listen. */
export async function createFront(front: Front): Promise<Server> {
  const names = await front.engine.rows<{ name: string }>('SELECT name FROM system.table_functions');
  const [zone] = await front.engine.rows<{ zone: string }>('SELECT timezone() AS zone');
  const incoming = join(front.engine.dataDir, 'incoming');
  rmSync(incoming, { recursive: true, force: true });
  mkdirSync(incoming, { mode: 0o700 });
  const context: Context = {
    ...front,
    refusals: new Refusals(names.map(({ name }) => name)),
    timezone: zone!.zone,
    incoming,
    fileNumber: 0,
  };
  const server = createServer(
    {
      ...SLOW_REQUESTS,
      keepAliveTimeout: 15_000,
      // Rows of an INSERT may take long; what a reader sends may not (gone.ts).
      requestTimeout: 600_000,
      noDelay: true,
      maxHeaderSize: MAX_HEADER_BYTES,
    },
    (request, response) => {
      response.on('error', () => response.destroy());
      serve(context, request, response).catch((cause) => {
        context.report(EngineError.from(cause), '');
        response.destroy();
      });
    },
  );
  guardConnections(server, connectionRefusals(front.engine.version));
  return server;
}

interface Context extends Front {
  readonly refusals: Refusals;
  readonly timezone: string;
  readonly incoming: string;
  fileNumber: number;
}

async function serve(context: Context, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = URL.parse(request.url ?? '/', 'http://store');
  if (url === null) return plain(response, 400, 'The address of the request cannot be read\n');
  if (url.pathname === '/ping' || url.pathname === '/replicas_status') return plain(response, 200, 'Ok.\n');
  if (url.pathname !== '/' && url.pathname !== '/metrics') {
    return plain(response, 404, `There is no ${url.pathname}: ask at /, /ping or /metrics\n`);
  }
  const watched = context.watch.begin(request);
  let queryId = '';
  try {
    const account = authenticate(context.accounts, request, url.searchParams);
    const gone = goneSignal(response, account.role === 'reader' ? readerPatienceMs(context.readerLimits) : undefined);
    if (url.pathname === '/metrics') return await metrics(context, request, response);
    const asked = askedBy(request, url, randomUUID);
    queryId = asked.queryId;
    watched.by({ account: account.role, database: asked.database, queryId });
    const body = await readBody(request, asked.query, gone);
    if (body.kind === 'insert') return await insert(context, account, asked, body, response, watched);
    if (body.text.trim() === '' && request.method !== 'POST') return plain(response, 200, 'Ok.\n');
    await statement(context, { account, asked, url, gone, watched }, body.text, response);
  } catch (cause) {
    const error = EngineError.from(cause);
    watched.failed(error);
    if (error.status >= 500 && !response.destroyed) context.report(error, queryId);
    if (response.headersSent || response.destroyed) response.destroy();
    else sendError(response, error, context.engine.version, queryId);
    if (!request.complete) leaveBody(request);
  }
}

function plain(response: ServerResponse, status: number, text: string, type = 'text/plain; charset=UTF-8'): void {
  response.writeHead(status, {
    'Content-Type': type,
    'Content-Length': Buffer.byteLength(text),
  });
  response.end(text);
}

async function metrics({ page }: Context, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('Allow', 'GET, HEAD');
    return plain(response, 405, 'Allowed are GET and HEAD\n');
  }
  const { contentType, body } = await page.answer(request.headers.accept);
  plain(response, 200, body, contentType);
}

/** Everything about a request but its statement. */
interface Request {
  readonly account: Account;
  readonly asked: Asked;
  readonly url: URL;
  /** Fires when nobody waits for the answer, or when it is overdue. */
  readonly gone: AbortSignal;
  readonly watched: WatchedStatement;
}

async function statement(context: Context, request: Request, text: string, response: ServerResponse): Promise<void> {
  const { account, asked, url, watched } = request;
  if (isHello(text)) {
    const revision = Number(url.searchParams.get('client_protocol_version') ?? '0');
    const block = helloBlock(revision, 'flowspan', context.engine.version, context.timezone);
    answerTo(context, asked, 'Native', response).all([block], '{}');
    return;
  }
  const parsed = parseStatement(text);
  watched.is(parsed.sql, parsed.tokens, false);
  if ((account.role === 'reader' || asked.method !== 'POST') && !parsed.answers) {
    throw new EngineError(
      164,
      `${account.user}: Cannot execute query in readonly mode: ${parsed.keyword} needs a writer and POST`,
    );
  }
  context.refusals.check(parsed.sql, parsed.tokens);
  if (account.role === 'reader') context.refusals.checkReader(parsed.sql);
  const job = jobFor(context, account, asked, parsed.sql);
  if (parsed.answers) return await answerRows(context, request, parsed, job, response);
  const answer = answerTo(context, asked, parsed.format ?? asked.defaultFormat, response);
  const outcome = await context.engine.run(job);
  watched.ended(outcome.rows);
  answer.all([outcome.bytes], summary(outcome, parsed.keyword === 'INSERT'));
}

function answerTo(context: Context, asked: Asked, format: string, response: ServerResponse): Answer {
  return new Answer(response, {
    queryId: asked.queryId,
    format,
    encoding: asked.encoding,
    timezone: context.timezone,
    version: context.engine.version,
  });
}

async function answerRows(
  context: Context,
  { asked, gone, watched }: Request,
  parsed: Statement,
  job: Job,
  response: ServerResponse,
): Promise<void> {
  const format = parsed.format ?? asked.defaultFormat;
  if (!/^\w+$/.test(format)) throw new EngineError(73, `Unknown format ${format}`);
  const leave = await context.engine.enter(job.role, asked.asker, gone);
  const pipe = await context.pipes.take(gone).catch((cause) => {
    leave();
    throw cause;
  });
  const clause = `\nINTO OUTFILE '${pipe.path}' APPEND FORMAT ${format}`;
  const rest = parsed.format === undefined ? '' : restAfterFormat(parsed);
  const sql = `${parsed.sql.slice(0, parsed.formatAt)}${clause}${rest}`;
  const stop = new AbortController();
  const running = context.engine
    .run({ ...job, sql, signal: AbortSignal.any([gone, stop.signal]), leave, ended: () => pipe.finish() })
    .then(
      (outcome) => ({ outcome }),
      (cause) => {
        // The engine may still write: nobody reads it any more.
        if (gone.aborted) pipe.readable.destroy();
        return { error: EngineError.from(cause) };
      },
    );
  const answer = answerTo(context, asked, format, response);
  const wholeBytes = asked.settings.get('wait_end_of_query') === '1' ? AWAITED_ANSWER_BYTES : WHOLE_ANSWER_BYTES;
  const held: Uint8Array[] = [];
  try {
    let size = 0;
    try {
      for await (const chunk of pipe.readable as AsyncIterable<Buffer>) {
        size += chunk.length;
        if (answer.begun) {
          await answer.write(chunk, gone);
          continue;
        }
        held.push(chunk);
        if (size <= wholeBytes) continue;
        answer.begin();
        for (const piece of held.splice(0)) await answer.write(piece, gone);
      }
    } catch (cause) {
      if (!gone.aborted) throw cause;
    }
    const ended = await running;
    if ('error' in ended) {
      watched.failed(ended.error);
      if (ended.error.status >= 500 && !gone.aborted) context.report(ended.error, asked.queryId);
      answer.fail(ended.error);
      return;
    }
    if (answer.begun) answer.end();
    else answer.all(held, summary(ended.outcome, false));
    watched.ended(ended.outcome.rows);
  } finally {
    if (!response.writableEnded) stop.abort();
    pipe.readable.destroy();
  }
}

/** What follows the name of the format: SETTINGS. */
function restAfterFormat(parsed: Statement): string {
  const name = parsed.tokens.findIndex((token) => token.start === parsed.formatAt) + 1;
  return parsed.sql.slice(parsed.tokens[name]!.end);
}

async function insert(
  context: Context,
  account: Account,
  asked: Asked,
  body: Extract<Body, { kind: 'insert' }>,
  response: ServerResponse,
  watched: WatchedStatement,
): Promise<void> {
  const { head } = body;
  watched.is(head.before, tokens(head.before), true);
  if (account.role !== 'writer' || asked.method !== 'POST') {
    throw new EngineError(
      164,
      `${account.user}: Cannot execute query in readonly mode: INSERT needs a writer and POST`,
    );
  }
  context.refusals.check(`${head.before}${head.settings}`);
  const path = join(context.incoming, String(++context.fileNumber));
  try {
    const size = await body.saveRows(path);
    const answer = answerTo(context, asked, head.format, response);
    if (size === 0) {
      watched.ended(0);
      return answer.all([], '{}');
    }
    const job = jobFor(
      context,
      account,
      asked,
      `${head.before} FROM INFILE '${path}' ${head.settings} FORMAT ${head.format}`,
    );
    const outcome = await context.engine.run({ ...job, settings: insertSettings(job.settings ?? {}) });
    watched.ended(outcome.rows);
    answer.all([], summary(outcome, true));
  } catch (cause) {
    const { code, message } = EngineError.from(cause);
    throw new EngineError(code, message.replace(/: \(in file\/uri [\s\S]*$/, ''), { cause });
  } finally {
    await rm(path, { force: true });
  }
}
