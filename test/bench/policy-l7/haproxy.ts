/** The rule in haproxy, beside the service: one thread, keep-alive on both sides, no log. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Cgroup, createCgroup } from '../../../deploy/lab/cgroup.ts';
import { temporaryFolder } from '../../../deploy/lab/folder.ts';
import { listening, start } from '../../../deploy/lab/program.ts';
import { residentBytes } from '../../support/resident.ts';
import { pinned } from '../kit/cpu.ts';
import { SERVICE_CORE, SERVICE_PATH, type Service } from '../kit/service.ts';
import { asHaproxyRules } from './rule.ts';

const PORT = 8080;

const configuration = `
global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
  http-reuse always
frontend service
  bind :${PORT}
  default_backend service${asHaproxyRules}
backend service
  server service 127.0.0.1:80
`;

export interface Haproxy {
  readonly url: string;
  readonly cgroup: Cgroup;
  residentBytes(): number;
  stop(): Promise<void>;
}

export async function startHaproxy({ server, address }: Service): Promise<Haproxy> {
  const file = join(temporaryFolder(), 'haproxy.cfg');
  writeFileSync(file, configuration);
  const cgroup = createCgroup();
  const words = pinned(SERVICE_CORE, ['haproxy', '-db', '-f', file]);
  const program = start({ namespace: server.namespace, cgroup }, words);
  try {
    await listening(server.namespace, PORT);
  } catch (error) {
    throw new Error(`${(error as Error).message}\n${program.output()}`);
  }
  return {
    url: `http://${address}:${PORT}${SERVICE_PATH}`,
    cgroup,
    residentBytes: () => residentBytes(program.pid),
    stop: () => program.stop(),
  };
}
