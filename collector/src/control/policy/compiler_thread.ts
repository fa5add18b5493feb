/** What compiler.ts runs in a thread: it keeps the cluster's objects, so that only changes are handed over. */
import { createHash } from 'node:crypto';
import { serialize } from 'node:v8';
import { parentPort } from 'node:worker_threads';
import { BOUNDS, type Compiled, compile } from './compile.ts';
import { UnitCache } from './decision_units.ts';
import { type Modes, modelOf, type Policy } from './model.ts';
import { type Person, peopleOf } from './people.ts';
import { readCluster } from './read_cluster.ts';

/** What is to be compiled. */
export interface CompileOrder {
  readonly node: string;
  /** Pods, namespaces and nodes that are new, or others than in the order before; undefined: gone. By a key of each. */
  readonly changes: readonly (readonly [key: string, object: unknown])[];
  /** All of them. */
  readonly policies: readonly Policy[];
  readonly modes: Modes;
  /** Most units of HTTP rules. */
  readonly units: number;
}

export interface CompileAnswer {
  readonly compiled: Compiled;
  readonly people: readonly Person[];
  /** The same for the same tables. */
  readonly digest: string;
}

const objects = new Map<string, unknown>();
const cache = new UnitCache();

parentPort?.on('message', ({ node, changes, policies, modes, units }: CompileOrder) => {
  for (const [key, object] of changes) {
    if (object === undefined) objects.delete(key);
    else objects.set(key, object);
  }
  const cluster = readCluster(objects.values(), node);
  const compiled = compile(modelOf(policies, modes), cluster, { ...BOUNDS, units }, cache);
  const digest = createHash('sha256').update(serialize(compiled)).digest('base64');
  const answer: CompileAnswer = { compiled, people: peopleOf(cluster), digest };
  parentPort?.postMessage(answer);
});
