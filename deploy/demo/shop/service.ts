/**
 * What the shop's Node services share: an HTTP server whose behaviour a file says. SIGHUP makes it read the file again,
 * SIGTERM ends it when what it has begun is answered.
 */
import { readFileSync } from 'node:fs';
import { Agent, createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';

/** How a service behaves; every part left out means: as it should. */
export interface Behaviour {
  /** Time the application takes for each answer, milliseconds. */
  readonly answer_after_ms?: number;
  /** The whole process is busy with something else for so long, again and again, milliseconds. */
  readonly busy_ms?: number;
  /** Connections that wait to be accepted, at most; default 511. */
  readonly backlog?: number;
  /** Work before each answer that holds the whole process, milliseconds. */
  readonly work_ms?: number;
}

/** What a service answers. */
export interface Answer {
  readonly status: number;
  readonly body: string;
}

/** Where services listen. */
export const SERVICE_PORT = 8080;

/** Between two times of being busy. */
const FREE_MS = 80;
const DEFAULT_BACKLOG = 511;
/** Longer than any client keeps an idle connection: a request never meets a connection that is being closed. */
const KEEP_ALIVE_MS = 600_000;
const CALL_TIMEOUT_MS = 10_000;

/** Holds the process without using the processor. */
export function hold(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

/**
 * Serves until SIGTERM. The first argument of the program is the path of the file with its behaviour.
 * @param answer gets method, path and query; what it throws becomes 502 with the error's text
 */
export function serve(answer: (url: URL) => Promise<Answer> | Answer): void {
  const file = process.argv[2] as string;
  let behaviour: Behaviour = {};
  let busy: NodeJS.Timeout | undefined;
  const respond = async (asked: IncomingMessage, response: ServerResponse): Promise<void> => {
    asked.resume();
    let result: Answer;
    try {
      if (behaviour.work_ms !== undefined) hold(behaviour.work_ms);
      if (behaviour.answer_after_ms !== undefined) await waited(behaviour.answer_after_ms);
      result = await answer(new URL(asked.url ?? '/', 'http://shop'));
    } catch (error) {
      result = { status: 502, body: JSON.stringify({ error: (error as Error).message }) };
    }
    response.writeHead(result.status, { 'content-type': 'application/json' }).end(result.body);
  };
  const listen = (): Server => {
    const { backlog = DEFAULT_BACKLOG } = behaviour;
    const server = createServer(
      { keepAliveTimeout: KEEP_ALIVE_MS },
      (asked, response) => void respond(asked, response),
    );
    return server.listen({ port: SERVICE_PORT, host: '0.0.0.0', backlog, reusePort: true });
  };
  const beBusy = (milliseconds: number): void => {
    hold(milliseconds);
    busy = setTimeout(beBusy, FREE_MS, milliseconds);
  };
  let server: Server | undefined;
  const behave = (): void => {
    const before = behaviour;
    behaviour = JSON.parse(readFileSync(file, 'utf8')) as Behaviour;
    clearTimeout(busy);
    if (behaviour.busy_ms !== undefined) busy = setTimeout(beBusy, FREE_MS, behaviour.busy_ms);
    if (server !== undefined && before.backlog === behaviour.backlog) return;
    // A listening socket keeps its backlog. The next one listens before this one ends, so that none is refused between.
    const ended = server;
    server = listen();
    server.once('listening', () => ended?.close());
  };
  behave();
  process.on('SIGHUP', behave);
  process.on('SIGTERM', () => {
    server?.close(() => process.exit(0));
    server?.closeIdleConnections();
  });
}

/** Resolves after so many milliseconds. */
export function waited(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

const agent = new Agent({ keepAlive: true, maxSockets: 16 });

/**
 * Asks another service, over connections that are kept.
 * @param name what the service is called
 * @throws with the name of the system's error, or with the status if it is not 200
 */
export function call(method: 'GET' | 'POST', name: string, url: string, body = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const content = body === '' ? {} : { 'content-type': 'application/json', 'content-length': body.length };
    const headers = { host: name, ...content };
    const asked = request(url, { method, agent, headers, timeout: CALL_TIMEOUT_MS }, (answer) => {
      let text = '';
      answer.setEncoding('utf8');
      answer.on('data', (part: string) => {
        text += part;
      });
      answer.on('error', reject);
      answer.on('end', () => {
        if (answer.statusCode === 200) resolve(text);
        else reject(new Error(`${name}: status ${answer.statusCode}`));
      });
    });
    asked.on('timeout', () => asked.destroy(new Error('no answer in time')));
    asked.on('error', (error: NodeJS.ErrnoException) => reject(new Error(`${name}: ${error.code ?? error.message}`)));
    asked.end(body);
  });
}
