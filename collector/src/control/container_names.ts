/** Names of containers, from the state that their runtimes keep on disk or from Docker's socket. */
import { readFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import type { Runtime } from './cgroup_path.ts';

/** What a runtime says of a container. */
export interface ContainerFacts {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

const LONGEST_ANSWER = 4 * 1024 * 1024;
const PATIENCE_MS = 2000;

async function json(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch {
    return undefined; // Not there, not ours to read, or not finished: the next source is asked.
  }
}

/** A value inside JSON whose shape is not ours. */
function at(value: unknown, ...keys: readonly (string | number)[]): unknown {
  return keys.reduce<unknown>(
    (here, key) => (typeof here === 'object' && here !== null ? Reflect.get(here, key) : undefined),
    value,
  );
}

function texts(value: unknown): Record<string, string> {
  if (typeof value !== 'object' || value === null) return {};
  return Object.fromEntries(
    Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}

function facts(name: unknown, labels: unknown): ContainerFacts | undefined {
  return typeof name === 'string' && name !== '' ? { name: name.replace(/^\//, ''), labels: texts(labels) } : undefined;
}

function ask(socketPath: string, path: string): Promise<unknown> {
  return new Promise((resolve) => {
    const asked = request({ socketPath, path, timeout: PATIENCE_MS, headers: { host: 'localhost' } }, (answer) => {
      const parts: Buffer[] = [];
      let size = 0;
      answer.on('data', (part: Buffer) => {
        size += part.length;
        if (size > LONGEST_ANSWER) asked.destroy();
        else parts.push(part);
      });
      answer.on('close', () => {
        try {
          resolve(answer.statusCode === 200 ? JSON.parse(Buffer.concat(parts).toString()) : undefined);
        } catch {
          resolve(undefined);
        }
      });
    });
    asked.on('timeout', () => asked.destroy());
    asked.on('error', () => resolve(undefined));
    asked.end();
  });
}

async function fromDocker(root: string, id: string): Promise<ContainerFacts | undefined> {
  const config = await json(join(root, 'var/lib/docker/containers', id, 'config.v2.json'));
  const kept = facts(at(config, 'Name'), at(config, 'Config', 'Labels'));
  if (kept !== undefined) return kept;
  const told = await ask(join(root, 'run/docker.sock'), `/containers/${id}/json`);
  return facts(at(told, 'Name'), at(told, 'Config', 'Labels'));
}

async function fromContainerd(root: string, id: string): Promise<ContainerFacts | undefined> {
  for (const namespace of ['k8s.io', 'default', 'moby', 'buildkit']) {
    const bundle = join(root, 'run/containerd/io.containerd.runtime.v2.task', namespace, id);
    const annotations = texts(at(await json(join(bundle, 'config.json')), 'annotations'));
    const name = annotations['io.kubernetes.cri.container-name'] ?? annotations['nerdctl/name'];
    const known = facts(name, annotations);
    if (known !== undefined) return known;
  }
  return undefined;
}

async function fromStorage(root: string, id: string): Promise<ContainerFacts | undefined> {
  const bundle = join(root, 'run/containers/storage/overlay-containers', id, 'userdata');
  const annotations = texts(at(await json(join(bundle, 'config.json')), 'annotations'));
  const known = facts(
    annotations['io.kubernetes.container.name'] ?? annotations['io.podman.annotations.name'],
    annotations,
  );
  if (known !== undefined) return known;
  const all = await json(join(root, 'var/lib/containers/storage/overlay-containers/containers.json'));
  const entry = Array.isArray(all) ? all.find((candidate: unknown) => at(candidate, 'id') === id) : undefined;
  return facts(at(entry, 'names', 0), {});
}

/**
 * Looks a container up where its runtime keeps what it knows. Nothing is changed there.
 * @param root directory that stands for `/`; tests bring their own
 */
export async function containerFacts(runtime: Runtime, id: string, root = '/'): Promise<ContainerFacts | undefined> {
  if (runtime === 'machine') return { name: id, labels: {} };
  const sources = {
    docker: [fromDocker, fromContainerd],
    containerd: [fromContainerd],
    'cri-o': [fromStorage],
    podman: [fromStorage],
    unknown: [fromDocker, fromContainerd, fromStorage],
  }[runtime];
  for (const source of sources) {
    const known = await source(root, id);
    if (known !== undefined) return known;
  }
  return undefined;
}
