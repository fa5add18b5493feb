/** nginx as server and as witness: its access log tells what was asked and answered. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Namespace } from '../../deploy/lab/namespace.ts';
import { listening, type Place, type Program, start } from '../../deploy/lab/program.ts';
import { temporaryFolder } from './flowspan.ts';

/** One line of the access log. */
export interface AccessLogEntry {
  readonly method: string;
  readonly uri: string;
  /** The Host header. */
  readonly host: string;
  readonly status: number;
  /** Bytes of the response behind its head, chunk framing included. */
  readonly body_bytes_sent: number;
  /** Bytes of the whole response. */
  readonly bytes_sent: number;
  /** Bytes of the whole request. */
  readonly request_length: number;
  /** Seconds from the first byte of the request to the last byte of the response, whole milliseconds. */
  readonly request_time: number;
  readonly remote_port: number;
}

/** A running nginx. */
export interface Nginx {
  readonly program: Program;
  /** Folder of the files under /static/. */
  readonly folder: string;
  accessLog(): AccessLogEntry[];
  /** Lines of the access log whose path begins so. Cheap enough to be polled. */
  answered(prefix: string): number;
  stop(): Promise<void>;
}

/** How nginx listens and what it does beside the standard locations. */
export interface NginxOptions {
  /** Default 80. */
  readonly port?: number;
  /** Further words of `listen`, such as `deferred`. */
  readonly listen?: string;
  /** Further locations. */
  readonly locations?: string;
  readonly workers?: number;
  /** Most connections of a worker; default 4096. */
  readonly connections?: number;
}

const LOG_FIELDS = [
  ['method', '"$request_method"'],
  ['uri', '"$request_uri"'],
  ['host', '"$http_host"'],
  ['status', '$status'],
  ['body_bytes_sent', '$body_bytes_sent'],
  ['bytes_sent', '$bytes_sent'],
  ['request_length', '$request_length'],
  ['request_time', '$request_time'],
  ['remote_port', '$remote_port'],
] as const;

function configuration(folder: string, options: NginxOptions): string {
  const { port = 80, listen = '', locations = '', workers = 2, connections = 4096 } = options;
  const format = LOG_FIELDS.map(([name, value]) => `"${name}":${value}`).join(',');
  return `
user root;
daemon off;
worker_processes ${workers};
pid ${folder}/nginx.pid;
error_log ${folder}/error.log warn;
events { worker_connections ${connections}; }
http {
  log_format facts escape=json '{${format}}';
  access_log ${folder}/access.log facts;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/${name};`).join('\n  ')}
  sendfile on;
  tcp_nopush on;
  server {
    listen ${port} ${listen};
    listen [::]:${port} ${listen};
    keepalive_requests 1000;
    location / { return 200 "hello from a server\\n"; }
    location /static/ { root ${folder}; }
    location /empty { return 204; }
    location /moved { return 301 /static/; }
    location /broken { return 500; }
    location /chunked/ { alias ${folder}/static/; ssi on; ssi_types *; }
    location /missing/ { return 404; }
    ${locations}
  }
}
`;
}

/** Files under /static/: `<bytes>.txt`. */
export const STATIC_SIZES = [0, 1, 100, 1_000, 10_000, 100_000, 1_000_000] as const;

/** Starts nginx in a namespace and resolves when it listens. */
export async function startNginx(place: Place & { namespace: Namespace }, options: NginxOptions = {}): Promise<Nginx> {
  const folder = temporaryFolder();
  mkdirSync(join(folder, 'static'));
  for (const size of STATIC_SIZES) writeFileSync(join(folder, 'static', `${size}.txt`), 'x'.repeat(size));
  const file = join(folder, 'nginx.conf');
  writeFileSync(file, configuration(folder, options));
  const program = start(place, ['nginx', '-p', folder, '-c', file, '-e', join(folder, 'error.log')]);
  try {
    await listening(place.namespace, options.port ?? 80);
  } catch (error) {
    throw new Error(`${(error as Error).message}\n${program.output()}`);
  }
  return {
    program,
    folder,
    accessLog: () =>
      readFileSync(join(folder, 'access.log'), 'utf8')
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as AccessLogEntry),
    answered: (prefix) => readFileSync(join(folder, 'access.log'), 'latin1').split(`"uri":"${prefix}`).length - 1,
    stop: () => program.stop('SIGQUIT'),
  };
}
