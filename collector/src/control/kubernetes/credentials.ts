/** How the API server is reached: address, trust, and what proves who asks. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import http from 'node:http';
import https from 'node:https';
import { fileURLToPath } from 'node:url';
import { FlowspanError } from '../../../../store/errors.ts';

export interface CredentialOptions {
  /** Path of a kubeconfig; left out: the service account of the pod this runs in. */
  readonly kubeconfig?: string | undefined;
  /** Name of its context; left out: the current one. */
  readonly context?: string | undefined;
  /** Put before /var/run/secrets/… of the service account; tests bring their own. */
  readonly root?: string | undefined;
}

/** What credentials_main.ts prints. */
export interface PrintedCredentials {
  /** Base URL. */
  readonly server: string;
  readonly headers: Readonly<Record<string, string>>;
  /** File that holds the bearer token and is written anew while this runs. */
  readonly tokenFile?: string | undefined;
  /** URL of an HTTP proxy that leads to the server. */
  readonly proxy?: string | undefined;
  /** PEM texts, and the rest as node:tls takes it. */
  readonly tls: Readonly<
    Record<'ca' | 'cert' | 'key' | 'passphrase' | 'servername', string | undefined> & {
      rejectUnauthorized?: boolean | undefined;
    }
  >;
}

/** One way to the API server, until it is refused. */
export interface Connection {
  readonly server: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly agent: http.Agent;
}

const MAIN = fileURLToPath(new URL('./credentials_main.ts', import.meta.url));
/** An exec plugin may talk to its cloud. */
const ANSWER_MS = 30_000;
const ANSWER_BYTES = 4 * 1024 ** 2;
const ERROR_BYTES = 16_384;
/** They are asked for anew at most this often, whether there were none or they were refused. */
const AGAIN_MS = 30_000;
/** Idle connections are looked after by the kernel as well; first probe after this, milliseconds. */
export const KEEP_ALIVE_MS = 30_000;

type Known = PrintedCredentials & Pick<Connection, 'agent'>;

/** Keeps the credentials, and asks for new ones when they are refused. */
export class Credentials {
  readonly #options: CredentialOptions;
  readonly #answerMs: number;
  readonly #closing = new AbortController();
  #known: Known | undefined;
  #asking: Promise<Known> | undefined;
  #error: FlowspanError | undefined;
  #askedMs = Number.NEGATIVE_INFINITY;

  /** @param answerMs longest time that KubeConfig and an exec plugin of it may take, milliseconds */
  constructor(options: CredentialOptions, answerMs = ANSWER_MS) {
    this.#options = options;
    this.#answerMs = answerMs;
  }

  /** @throws FlowspanError FLOW_KUBERNETES_CONFIG if there are none, or a plugin does not give them in time */
  async get(): Promise<Connection> {
    const { server, headers, tokenFile, agent } = this.#known ?? (await this.#askOnce());
    if (tokenFile === undefined) return { server: new URL(server), headers, agent };
    // Kubelet writes the token anew within its life; requests are rare enough to look each time.
    const Authorization = `Bearer ${(await this.#read(tokenFile)).trim()}`;
    return { server: new URL(server), headers: { ...headers, Authorization }, agent };
  }

  /** The server did not take them, or it is not trusted: files may have changed, a token may have ended. */
  refused(): void {
    if (performance.now() - this.#askedMs > AGAIN_MS) this.#known = undefined;
  }

  /** Ends idle connections, and a plugin that is being asked. */
  close(): void {
    this.#closing.abort();
    this.#known?.agent.destroy();
  }

  #askOnce(): Promise<Known> {
    if (this.#error !== undefined && performance.now() - this.#askedMs < AGAIN_MS) throw this.#error;
    this.#asking ??= this.#ask();
    return this.#asking;
  }

  async #ask(): Promise<Known> {
    this.#askedMs = performance.now();
    this.#error = undefined;
    try {
      const printed = JSON.parse(
        await print(this.#options, this.#answerMs, this.#closing.signal),
      ) as PrintedCredentials;
      const { protocol } = new URL(printed.server);
      const { proxy } = printed;
      const proxyEnv = proxy === undefined ? undefined : { HTTP_PROXY: proxy, HTTPS_PROXY: proxy };
      const keepAlive = { keepAlive: true, keepAliveMsecs: KEEP_ALIVE_MS, proxyEnv };
      const agent = protocol === 'http:' ? new http.Agent(keepAlive) : tlsAgent(printed, keepAlive);
      this.#known = { ...printed, agent };
      return this.#known;
    } catch (cause) {
      this.#error = configError(this.#options.kubeconfig ?? 'the service account of this pod', cause);
      throw this.#error;
    } finally {
      this.#asking = undefined;
    }
  }

  async #read(tokenFile: string): Promise<string> {
    try {
      return await readFile(tokenFile, 'utf8');
    } catch (cause) {
      throw configError(tokenFile, cause);
    }
  }
}

/** Runs credentials_main.ts in a process group of its own, so that an exec plugin that hangs ends with it. */
async function print(options: CredentialOptions, answerMs: number, closing: AbortSignal): Promise<string> {
  closing.throwIfAborted();
  const child = spawn(process.execPath, [MAIN, JSON.stringify(options)], {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let [out, err] = ['', ''];
  let tooMuch = false;
  const end = (): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    } catch {
      // It has ended by itself.
    }
  };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
    tooMuch ||= out.length > ANSWER_BYTES;
    if (tooMuch) end();
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err = (err + text).slice(0, ERROR_BYTES);
  });
  const timer = setTimeout(end, answerMs);
  closing.addEventListener('abort', end, { once: true });
  const closed = once(child, 'close').finally(() => {
    clearTimeout(timer);
    closing.removeEventListener('abort', end);
  });
  const [code, signal] = (await closed) as [number | null, string];
  if (code === 0 && !tooMuch) return out;
  if (tooMuch) throw new Error(`more than ${ANSWER_BYTES} bytes`);
  if (code === null) throw new Error(`${signal}, as after ${answerMs / 1000} s without an answer`);
  throw new Error(/^\w*Error.*$/m.exec(err)?.[0] ?? `it ended with code ${code}`);
}

function tlsAgent({ tls }: PrintedCredentials, keepAlive: https.AgentOptions): https.Agent {
  // A key that is there without a value stands in the way of Node's default.
  const given = Object.fromEntries(Object.entries(tls).filter(([, value]) => value !== undefined));
  return new https.Agent({ ...keepAlive, ...given });
}

function configError(where: string, cause: unknown): FlowspanError {
  const message = `the Kubernetes API server cannot be reached by ${where} (${(cause as Error).message}): put it right, it is read again`;
  return new FlowspanError('FLOW_KUBERNETES_CONFIG', message, { cause });
}
