/**
 * A server and its client on one machine, such that what observing costs the server shows in what it serves, as on a node
 * of its own. The server has a budget of processor time, less than its core; nobody else uses that core, so it is the
 * server that is saturated. Packets are received on the core of whom they are for (receive packet steering), as if they
 * had come from another machine: without, a veth pair would receive the server's packets, and run what observes them, in
 * the client's time. The kernel charges that work to whom it interrupts (no IRQ_TIME_ACCOUNTING here), which is the
 * server, as its clients send while it serves and wait while it may not run.
 */
import { execFileSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { type Cgroup, createCgroup } from '../../../deploy/lab/cgroup.ts';
import { connect, createNamespace, type Namespace } from '../../../deploy/lab/namespace.ts';
import { cpuBudget, pinned, settle, withChildren } from '../kit/cpu.ts';

/** The core of what is observed, and the core of everything else. */
export const OBSERVED_CORE = 0;
export const OTHER_CORE = 1;

/** What all sites of a bench share. */
export interface Room {
  /** What is observed: servers, and clients where both ends are. */
  readonly watched: Cgroup;
  /** Puts a process of Flowspan's where it is in nobody's way: on the other core, before what else the machine does. */
  setAside(pid: number): void;
  /** A server and a client in it. @param share the server's budget, of a core */
  site(ends: 1 | 2, share: number): Site;
  /** After everything in it has ended. */
  close(): void;
}

/** Where a server and its client run. */
export interface Site {
  readonly server: { readonly namespace: Namespace; readonly cgroup: Cgroup };
  readonly client: { readonly namespace: Namespace; readonly cgroup: Cgroup };
  /** The server's IPv4 address. */
  readonly address: string;
  /** 1: only the server is observed. 2: the client as well, and it shares the server's core and budget. */
  readonly ends: 1 | 2;
  /** The budget, cores; undefined: none. */
  readonly share: number | undefined;
  /** Puts the server, with its children, on its core and under the budget. */
  admit(pid: number): void;
  /** The command that runs a client on its core, and where it is observed, under the budget. */
  asClient(command: readonly string[]): string[];
  /** After server and clients have ended. */
  close(): void;
}

/** Has the packets that a namespace's veth devices get received on one core. */
function receiveOn(core: number, namespace: Namespace): void {
  const mask = (1 << core).toString(16);
  const script = `for queue in /sys/class/net/*/queues/rx-0; do echo ${mask} > $queue/rps_cpus; done`;
  execFileSync('ip', ['netns', 'exec', namespace.name, 'sh', '-c', script]);
}

function placesOf(
  watched: Cgroup,
  ends: 1 | 2,
): Pick<Site, 'server' | 'client' | 'address' | 'ends'> & { leave(): void } {
  const server = { namespace: createNamespace(), cgroup: createCgroup(watched.path) };
  const client = { namespace: createNamespace(), cgroup: ends === 2 ? createCgroup(watched.path) : createCgroup() };
  const address = connect(client.namespace, server.namespace).b.ipv4;
  const leave = (): void => {
    for (const end of [client, server]) {
      end.cgroup.remove();
      end.namespace.remove();
    }
  };
  return { server, client, address, ends, leave };
}

/** A room where each has its place. */
export function createRoom(): Room {
  const [watched, beside] = [createCgroup(), cpuBudget(availableParallelism())];
  return {
    watched,
    setAside(pid) {
      settle(pid, { cores: String(OTHER_CORE) });
      beside.add(pid);
    },
    site(ends, share) {
      const { leave, ...places } = placesOf(watched, ends);
      const clientCore = ends === 2 ? OBSERVED_CORE : OTHER_CORE;
      receiveOn(OBSERVED_CORE, places.server.namespace);
      receiveOn(clientCore, places.client.namespace);
      const budget = cpuBudget(share);
      return {
        ...places,
        share,
        admit(pid) {
          for (const each of withChildren(pid)) {
            budget.add(each);
            settle(each, { cores: String(OBSERVED_CORE) });
          }
        },
        asClient: (command) => (ends === 2 ? budget : beside).within(pinned(String(clientCore), command)),
        close() {
          budget.remove();
          leave();
        },
      };
    },
    close() {
      beside.remove();
      watched.remove();
    },
  };
}

/** A room where all share all cores, and nobody has a budget. */
export function createSharedRoom(): Room {
  const watched = createCgroup();
  return {
    watched,
    setAside: () => undefined,
    site(ends) {
      const { leave, ...places } = placesOf(watched, ends);
      return { ...places, share: undefined, admit: () => undefined, asClient: (command) => [...command], close: leave };
    },
    close: () => watched.remove(),
  };
}
