/** The programs that judge requests, on the devices of the pods whose policies have rules for them. */
import type { Logger } from 'pino';
import type { DataplaneKernel } from '../dataplane/part.ts';
import type { LocalNamespace } from '../local_pods.ts';
import type { PolicyTables } from './compile.ts';

/** Requests on their way in, and answers on their way out: bpf/policy_http.bpf.c, bpf/http_response.bpf.c. */
const PROGRAMS = ['policy_http_ingress', 'http_response_egress'];

/** What counts of a pod of this node. */
export interface PodDevices {
  /** UID of its object. */
  readonly objectUid: string;
  /** Undefined if no process runs in it, or it is the node's. */
  readonly netns: LocalNamespace | undefined;
  readonly devices: readonly { readonly ifindex: number }[];
}

/** @returns UIDs of the pods to whose connections rules for requests may apply */
export function podsWithRequests({ subjects, pairs, ports, decisions }: PolicyTables): readonly string[] {
  const tables = new Set(
    ports.filter(({ value }) => (decisions[value]?.http.length ?? 0) > 0).map(({ table }) => table),
  );
  const numbers = new Set(pairs.filter(({ table }) => tables.has(table)).map(({ subject }) => subject));
  return [...subjects].filter(([, { ingress }]) => numbers.has(ingress)).map(([uid]) => uid);
}

/**
 * Attaches them and leaves them there as long as the device is there: connections that were judged need them until they are
 * told, at their next request, that no rule applies any more.
 */
export class HttpDevices {
  readonly #pods: Iterable<PodDevices>;
  readonly #kernel: Pick<DataplaneKernel, 'attachDevice'>;
  readonly #log: Pick<Logger, 'error'>;
  readonly #uids = new Set<string>();
  /** Network namespace and index of the devices that were tried. */
  readonly #tried = new Set<string>();

  /** @param pods of this node, as they are when they are asked for */
  constructor(pods: Iterable<PodDevices>, kernel: Pick<DataplaneKernel, 'attachDevice'>, log: Pick<Logger, 'error'>) {
    this.#pods = pods;
    this.#kernel = kernel;
    this.#log = log;
  }

  /** To be called before the tables count, so that no connection begins that is to be judged and is not. */
  follow(tables: PolicyTables): void {
    for (const uid of podsWithRequests(tables)) this.#uids.add(uid);
    this.update();
  }

  /** To be called when a pod has changed. */
  update(): void {
    for (const { objectUid, netns, devices } of this.#pods) {
      if (netns === undefined || !this.#uids.has(objectUid)) continue;
      for (const { ifindex } of devices) this.#attach(objectUid, netns, ifindex);
    }
  }

  #attach(pod: string, { path, inode }: LocalNamespace, ifindex: number): void {
    const place = `${inode} ${ifindex}`;
    if (this.#tried.has(place)) return;
    this.#tried.add(place);
    for (const program of PROGRAMS) {
      try {
        this.#kernel.attachDevice(program, { netns: path, ifindex });
      } catch (error) {
        // The namespace of a pod that is on its way out may have gone; another device of the same number is another place.
        this.#log.error(
          { err: error, code: 'FLOW_POLICY_DEVICE', pod, program, ifindex },
          'requests to a pod are not judged at one of its devices: where they are enforced, none gets in there',
        );
      }
    }
  }
}
