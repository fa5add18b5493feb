/** A node's side of pods: cgroups named and made in the order of kubelet and containerd, processes of their own in them. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, rmdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Cgroup, createCgroup } from '../../../../deploy/lab/cgroup.ts';
import { type Program, start } from '../../../../deploy/lab/program.ts';
import type { PodPlace } from './network.ts';

/** One pod's cgroups and processes. */
export interface RunningPod {
  /** Id of its container's cgroup. */
  readonly cgroupId: string;
  readonly containerId: string;
  /** Kills its processes and removes the cgroups of its containers: its address is free then. */
  endContainers(): Promise<void>;
  /** Removes its own cgroup, as kubelet does some time later. */
  remove(): void;
}

export interface ChurnNode {
  readonly name: string;
  /** What its collector watches. */
  readonly root: Cgroup;
  begin(uid: string, name: string, place: PodPlace, peers: readonly string[]): RunningPod;
  stop(): Promise<void>;
}

const HOST = fileURLToPath(new URL('./pod_host.py', import.meta.url));

/** Kills what runs in a cgroup and removes it. On a busy machine processes may come to it when they were to be gone. */
async function killAndRemove(path: string): Promise<void> {
  for (let tries = 0; tries < 1000; tries += 1) {
    writeFileSync(join(path, 'cgroup.kill'), '1');
    try {
      rmdirSync(path);
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EBUSY') throw error;
    }
    await sleep(2);
  }
  throw new Error(`${path} is busy`);
}

/** Starts the program that pods' processes are forked from. */
export function startPodHost(): Program {
  return start({}, ['python3', HOST], {}, 'pipe');
}

/** Name by which requests that are no pod's are known. */
export const OUTSIDER = 'outsider';

const namespacePath = ({ namespace }: PodPlace): string => `/run/netns/${namespace.name}`;

function tell(host: Program, line: object): void {
  host.process.stdin?.write(`${JSON.stringify(line)}\n`);
}

/** Asks pods from a place that is in no pod, until the host is stopped. */
export function askFromOutside(host: Program, place: PodPlace, peers: readonly PodPlace[]): void {
  tell(host, { name: OUTSIDER, netns: namespacePath(place), peers: peers.map(({ address }) => address) });
}

export function createChurnNode(name: string, host: Program): ChurnNode {
  const root = createCgroup();
  const pods = join(root.path, 'kubepods', 'besteffort');
  mkdirSync(pods, { recursive: true });
  return {
    name,
    root,
    begin(uid, podName, place, peers) {
      const own = join(pods, `pod${uid}`);
      const [sandboxId, containerId] = [randomBytes(32).toString('hex'), randomBytes(32).toString('hex')] as const;
      const [sandbox, main] = [join(own, sandboxId), join(own, containerId)] as const;
      for (const path of [own, sandbox, main]) mkdirSync(path);
      tell(host, { name: podName, cgroup: main, netns: namespacePath(place), peers });
      return {
        cgroupId: statSync(main, { bigint: true }).ino.toString(),
        containerId,
        async endContainers() {
          await killAndRemove(main);
          rmdirSync(sandbox);
        },
        remove: () => rmdirSync(own),
      };
    },
    async stop() {
      root.remove();
    },
  };
}
