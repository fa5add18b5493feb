/** What a real nginx takes a head for, asked over a socket of the file system: no network, no namespace. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { temporaryFolder } from '../../../../deploy/lab/folder.ts';
import { noteProcess } from '../../../../deploy/lab/registry.ts';

const FIELDS = ['request_method', 'uri', 'is_args', 'args', 'http_host', 'host', 'http_x_a', 'http_x_ab'] as const;
const STARTS_MS = 5_000;
const ANSWERS_MS = 5_000;

/** In latin1; empty where it has none. */
export type NginxView = Readonly<Record<(typeof FIELDS)[number], string>>;

export interface NginxWitness {
  /** @returns undefined if it does not take the bytes for one request that can be answered */
  ask(head: Uint8Array): Promise<NginxView | undefined>;
  stop(): Promise<void>;
}

/** @param servers what is in `http` */
export const nginxConfiguration = (folder: string, servers: string): string => `
user root;
daemon off;
master_process off;
pid ${folder}/nginx.pid;
events { worker_connections 512; }
http {
  access_log off;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/${name};`).join('\n  ')}
  ${servers}
}
`;

const configuration = (folder: string): string =>
  nginxConfiguration(
    folder,
    `server {
      listen unix:${folder}/nginx.sock;
      lingering_close off;
      location ~ ^ { return 200 "${FIELDS.map((name) => `\${${name}}`).join('\\n')}"; }
    }`,
  );

/** All that is answered to bytes behind which the client says no more. In latin1. */
export async function exchange(path: string, bytes: Uint8Array): Promise<string> {
  const socket = connect(path);
  const parts: Buffer[] = [];
  socket.on('error', () => undefined).on('data', (part) => parts.push(part));
  const closed = once(socket, 'close');
  socket.end(bytes);
  await Promise.race([closed, sleep(ANSWERS_MS, undefined, { ref: false })]);
  socket.destroy();
  return Buffer.concat(parts).toString('latin1');
}

async function ask(path: string, head: Uint8Array): Promise<NginxView | undefined> {
  const [answer = '', text = '', ...others] = (await exchange(path, head)).split('\r\n\r\n');
  if (!/^HTTP\/1\.1 200 /.test(answer) || others.length > 0) return undefined;
  const values = text.split('\n');
  return Object.fromEntries(FIELDS.map((name, index) => [name, values[index] ?? ''])) as unknown as NginxView;
}

/** @param configuration of an nginx that listens at nginx.sock of the folder */
export async function startNginx(
  configuration: (folder: string) => string,
): Promise<{ path: string; stop(): Promise<void> }> {
  const folder = temporaryFolder();
  const file = join(folder, 'nginx.conf');
  const path = join(folder, 'nginx.sock');
  writeFileSync(file, configuration(folder));
  const nginx = spawn('nginx', ['-p', folder, '-c', file, '-e', join(folder, 'error.log')], { stdio: 'inherit' });
  if (nginx.pid !== undefined) noteProcess(nginx.pid);
  const over = once(nginx, 'exit');
  for (let waited = 0; !existsSync(path); waited += 20) {
    if (waited > STARTS_MS || nginx.exitCode !== null) throw new Error('nginx does not listen');
    await sleep(20);
  }
  return {
    path,
    stop: async () => {
      nginx.kill('SIGTERM');
      await over;
    },
  };
}

export async function startNginxWitness(): Promise<NginxWitness> {
  const { path, stop } = await startNginx(configuration);
  return { ask: (head) => ask(path, head), stop };
}
