/**
 * Pods that come and go: made and deleted through the API with the status that kubelet writes, run as real processes,
 * and each address handed on within a second.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { KubernetesApi } from '../api.ts';
import type { PodPlace } from './network.ts';
import type { ChurnNode } from './node.ts';

export const NAMESPACE = 'churn';

export interface ChurnOptions {
  readonly admin: KubernetesApi;
  readonly nodes: readonly ChurnNode[];
  readonly places: readonly PodPlace[];
  readonly podsPerSecond: number;
  readonly seconds: number;
  /** A machine that carries few of them takes longer for so many: four times as long at most. */
  readonly leastPods: number;
}

/** A pod that has lived. */
export interface LivedPod {
  readonly uid: string;
  readonly name: string;
  readonly node: string;
  readonly address: string;
  readonly cgroupId: string;
  /** It was to live for 300 ms; on a busy machine it becomes more. */
  readonly isShort: boolean;
  /** From when until when its address was its own, milliseconds since the epoch. */
  readonly begunMs: number;
  readonly endedMs: number;
}

export interface Churned {
  readonly pods: readonly LivedPod[];
  /** How long it took, the end of the last pods included. */
  readonly seconds: number;
  /** How long each address that was handed on was nobody's, milliseconds, the shortest first. */
  readonly gapsMs: readonly number[];
  /** How many of them were handed from one node to another. */
  readonly moved: number;
}

const SHORT_MS = 300;
const between = (least: number, most: number): number => least + Math.random() * (most - least);
const now = (): string => new Date().toISOString().replace(/\.\d+Z/, 'Z');

/** Churns for a while, and resolves with the pods when all of them are gone. */
export async function churn(options: ChurnOptions): Promise<Churned> {
  const { admin, nodes, places, podsPerSecond, seconds, leastPods } = options;
  const addresses = places.map(({ address }) => address);
  /** The last one to become free is the next one to be taken: addresses go from hand to hand. */
  const free = [...places];
  const lived: LivedPod[] = [];
  const lives = new Set<Promise<void>>();
  const failures: unknown[] = [];
  /** Addresses go from node to node as well: who writes of an address is another one each time or the same. */
  const anyNode = () => nodes[Math.floor(Math.random() * nodes.length)] as ChurnNode;

  async function live(name: string, place: PodPlace): Promise<void> {
    const node = anyNode();
    const container = { name: 'main', image: 'registry.invalid/churn:1' };
    const { metadata } = await admin.create({
      ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: NAMESPACE, labels: { app: 'churn' } } },
      spec: { nodeName: node.name, terminationGracePeriodSeconds: 0, containers: [container] },
    });
    const path = `/api/v1/namespaces/${NAMESPACE}/pods/${name}`;
    const begunMs = Date.now();
    const pod = node.begin(
      metadata.uid,
      name,
      place,
      addresses.filter((address) => address !== place.address),
    );
    const startTime = now();
    const state = { running: { startedAt: startTime } };
    const told = sleep(between(10, 150)).then(() =>
      admin.patch(`${path}/status`, {
        status: {
          ...{ phase: 'Running', startTime, hostIP: '192.0.2.1' },
          ...{ podIP: place.address, podIPs: [{ ip: place.address }] },
          containerStatuses: [
            {
              ...{ name: 'main', image: 'x', imageID: 'x', ready: true, restartCount: 0, started: true, state },
              containerID: `containerd://${pod.containerId}`,
            },
          ],
        },
      }),
    );
    // Some are deleted by force: the API server forgets them while they run.
    const isShort = Math.random() < 0.25;
    const life = isShort ? SHORT_MS : between(400, 1200);
    const isForced = Math.random() < 0.1;
    await Promise.all([told, sleep(isForced ? life / 2 : life)]);
    if (isForced) {
      await admin.delete(path);
      await sleep(life / 2);
    }
    await pod.endContainers();
    const endedMs = Date.now();
    free.push(place);
    const { cgroupId } = pod;
    const { address } = place;
    lived.push({ uid: metadata.uid, name, node: node.name, address, cgroupId, isShort, begunMs, endedMs });
    // Kubelet cleans up, and the API server hears of the end, when the next pod has the address.
    await sleep(between(0, 400));
    pod.remove();
    if (!isForced) await admin.delete(path);
  }

  const begunMs = performance.now();
  const elapsedS = (): number => (performance.now() - begunMs) / 1000;
  const isEnough = (): boolean => elapsedS() > (lived.length < leastPods ? 4 * seconds : seconds);
  for (let count = 0; !isEnough(); count += 1) {
    const place = free.pop();
    if (place !== undefined) {
      const life = live(`pod-${count}`, place).catch((error: unknown) => failures.push(error));
      const done = life.then(() => void lives.delete(done));
      lives.add(done);
    }
    await sleep(Math.max(0, begunMs + ((count + 1) * 1000) / podsPerSecond - performance.now()));
  }
  await Promise.all(lives);
  if (failures.length > 0) throw new AggregateError(failures, `${failures.length} pods failed: ${failures[0]}`);
  return { pods: lived, seconds: elapsedS(), ...handedOn(lived) };
}

function handedOn(pods: readonly LivedPod[]): Pick<Churned, 'gapsMs' | 'moved'> {
  const last = new Map<string, LivedPod>();
  const gapsMs: number[] = [];
  let moved = 0;
  for (const pod of pods.toSorted((one, other) => one.begunMs - other.begunMs)) {
    const before = last.get(pod.address);
    if (before !== undefined) gapsMs.push(pod.begunMs - before.endedMs);
    if (before !== undefined && before.node !== pod.node) moved += 1;
    last.set(pod.address, pod);
  }
  return { gapsMs: gapsMs.sort((one, other) => one - other), moved };
}
