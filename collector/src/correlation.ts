/** Who is who, and what a request asked for: the parts that turn what a record holds into what a row says. */
import type { Logger } from 'pino';
import { type Conntrack, kernelEnum, openConntrack } from '../native/addon.ts';
import type { Host } from './attach/host.ts';
import type { Arena } from './batch/arena.ts';
import type { WallClock } from './batch/clock.ts';
import type { Config } from './config.ts';
import type { BalancedServices, Identity, IdentitySource } from './control/identity.ts';
import type { Kubernetes } from './control/kubernetes/open.ts';
import { LocalIdentity } from './control/local.ts';
import { Cgroups } from './correlate/cgroups.ts';
import { Endpoints } from './correlate/endpoints.ts';
import { Ends } from './correlate/ends.ts';
import { KernelWords } from './correlate/kernel_words.ts';
import { learnListeners } from './correlate/listeners.ts';
import { LocalEnd } from './correlate/local_end.ts';
import { readProcess } from './correlate/processes.ts';
import { RequestText } from './correlate/requests/request_text.ts';
import { Routes } from './correlate/requests/routes.ts';
import type { Counters } from './counters.ts';
import { cgroupMount, machineId, nodeAddresses } from './machine.ts';
import type { Scope } from './rows.ts';
import type { StateFiles } from './state_files.ts';

const MOST_ENDPOINTS = 65_536;
/** Least time between two searches for listeners, which go through all processes. */
const LISTENERS_MS = 5000;
/** And as a multiple of what the last one took. */
const SEARCH_SHARE = 50;

export interface CorrelationOptions {
  readonly config: Config;
  readonly host: Host;
  readonly scope: Scope;
  readonly arena: Arena;
  /** Holds the time of the record that is resolved. */
  readonly clock: WallClock;
  readonly counters: Counters;
  readonly state: StateFiles;
  /** Services whose backends are chosen here. */
  readonly balanced: BalancedServices;
  /** Undefined where it is not asked. */
  readonly kubernetes: Kubernetes | undefined;
  readonly log: Logger;
}

/** Connection tracking, which kube-proxy translates by; undefined where it cannot be asked. */
function conntrackOf(log: Logger): Conntrack | undefined {
  try {
    return openConntrack();
  } catch (error) {
    log.warn({ err: error }, 'backends of services are known only where their own sockets are observed');
    return undefined;
  }
}

const allowedOf = ({ redaction }: Config['collector']) => ({
  queryNames: new Set(redaction.allow_query_names),
  pathSegments: new Set(redaction.allow_path_segments),
});

/**
 * Gives up endpoints that ended a while ago, also where they are remembered without end; to be called every second or so.
 * @param nowMs any time that only grows, milliseconds
 */
export function forgetEnded(
  { endpoints, localEnd, requestText }: { endpoints: Endpoints; localEnd: LocalEnd; requestText: RequestText },
  nowMs: number,
): void {
  const gone = endpoints.sweep(nowMs);
  if (gone.size === 0) return;
  localEnd.drop(gone);
  requestText.drop(gone);
}

/** Makes the parts; identities are learned from now on. */
export async function openCorrelation(options: CorrelationOptions) {
  const { config, host, scope, arena, clock, counters, state, balanced, kubernetes, log } = options;
  const { collector, node } = config;
  const identity = new LocalIdentity({ machineId: machineId(state), node, outside: collector.outside });
  const endpoints = new Endpoints(MOST_ENDPOINTS, state.endpoints(scope.boot_id));
  const cgroups = new Cgroups(cgroupMount() ?? host.cgroupRoot);
  cgroups.walk(Date.now());
  const sources: readonly IdentitySource[] = kubernetes === undefined ? [identity] : [kubernetes.identity, identity];
  const localEnd = new LocalEnd({ arena, counters, cgroups, endpoints, sources, readProcess });
  for (const path of cgroups.paths()) for (const source of sources) source.cgroup?.(path, 'there', 0n);
  const recordMs = () => clock.milliseconds;
  const conntrack = kubernetes === undefined ? undefined : conntrackOf(log);
  const endsParts = {
    arena,
    counters,
    localEnd,
    endpoints,
    sources,
    conntrack,
    balanced,
    nodeAddresses: nodeAddresses(),
    recordMs,
  };
  const ends = new Ends({ ...endsParts, node: () => kubernetes?.identity.ownNode ?? identity.node });
  const news = {
    updated: (one: Identity) => endpoints.refresh(one, clock.nowNs()),
    ended: (id: bigint, timeNs: bigint) => endpoints.end(id, timeNs),
  };
  for (const source of sources) await source.start(() => ends.forget(), news);
  const requestText = new RequestText(arena, new Routes(collector.routes_max), allowedOf(collector));
  return {
    endpoints,
    localEnd,
    /** The path of a cgroup that was seen before, else its id. */
    cgroupPath: (id: bigint) => cgroups.known(Number(id)) ?? String(id),
    ends,
    requestText,
    dropReasons: new KernelWords(kernelEnum('skb_drop_reason'), 'SKB_DROP_REASON_'),
    resetReasons: new KernelWords(kernelEnum('sk_rst_reason'), 'SK_RST_REASON_'),
    /** Takes what a new configuration says of outside addresses and of what may be kept. */
    configure(next: Config['collector']): void {
      requestText.allow(allowedOf(next));
      identity.setOutside(next.outside);
    },
    /** As `forgetEnded`. */
    forgetEnded: (nowMs: number) => forgetEnded({ endpoints, localEnd, requestText }, nowMs),
    close(): void {
      for (const source of sources) source.close();
      conntrack?.close();
    },
  };
}

/** Searches through all processes for who listens where, when something was seen whose owner is not known. */
export class ListenerSearch {
  readonly #ends: Ends;
  readonly #localEnd: LocalEnd;
  #missed = 0;
  #tookMs = 0;

  constructor(ends: Ends, localEnd: LocalEnd) {
    this.#ends = ends;
    this.#localEnd = localEnd;
  }

  /** Milliseconds until the next search: they must not take much of the machine. */
  get pauseMs(): number {
    return Math.max(LISTENERS_MS, SEARCH_SHARE * this.#tookMs);
  }

  /** Searches now. */
  async search(): Promise<void> {
    const beganMs = performance.now();
    this.#missed = this.#ends.missed;
    await learnListeners(this.#ends, this.#localEnd);
    this.#tookMs = performance.now() - beganMs;
  }

  /** Searches if there is a reason to. */
  async searchIfMissed(): Promise<void> {
    if (this.#ends.missed !== this.#missed) await this.search();
  }
}
