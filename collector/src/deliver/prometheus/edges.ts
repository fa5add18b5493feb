/**
 * Which client-server pairs have series: as many as are allowed, as long as records come. A pair is two workloads; the
 * data path knows endpoints by small numbers, and finds the edge of two of them without making an object.
 */
import type { Endpoints } from '../../correlate/endpoints.ts';
import { FingerprintTable } from '../../correlate/fingerprint_table.ts';
import { labelsText } from '../../metrics_text.ts';

/** The edge that takes what is beyond the bound. */
export const OVERFLOW_EDGE = 0;
const OVERFLOW = '_overflow';
/** An end that is not known. */
const UNKNOWN = 'unknown';

/** Serial of a number that is no edge at the moment. */
const GONE = -1;

/** Edges given up at one turn at most, so that no turn takes long. */
const EXPIRE_AT_ONCE = 256;
const SMALLEST_CACHE = 1 << 12;

export interface EdgesOptions {
  readonly endpoints: Endpoints;
  readonly cluster: string;
  /** Edges with series of their own. */
  readonly maxEdges: number;
  /** How long an edge stays after its last record, milliseconds. */
  readonly idleMs: number;
  /** Told of each edge that is given up. */
  readonly dropped: (edge: number) => void;
}

/** Labels of one edge, as they stand between the braces of a line. */
interface Labels {
  readonly key: string;
  readonly identity: string;
  /** The same in the words of the service graph. */
  readonly graph: string;
}

/** Edges by number; the numbers of those that were given up are given again. */
export class Edges {
  readonly #options: EdgesOptions;
  /** Edge and serial of the pairs of endpoints asked for lately. */
  readonly #pairs: FingerprintTable;
  readonly #byKey = new Map<string, number>();
  readonly #labels: (Labels | undefined)[];
  readonly #serials: Float64Array;
  readonly #lastMs: Float64Array;
  readonly #free: number[] = [];
  #used = 1;
  #nowMs = 0;
  #sweptMs = 0;
  #sweepAt = 1;
  #renamed = 0;
  /** Serial of the newest edge: each has a higher one than all before it, whatever its number. */
  serial = 0;
  /** Records counted under `_overflow` so far. */
  overflowRecords = 0;
  /** Edges given up so far. */
  expired = 0;

  constructor(options: EdgesOptions) {
    this.#options = options;
    const most = options.maxEdges + 1;
    const cache = 2 ** Math.ceil(Math.log2(Math.max(SMALLEST_CACHE, 4 * most)));
    this.#pairs = new FingerprintTable(cache, 2);
    this.#serials = new Float64Array(most);
    this.#lastMs = new Float64Array(most);
    this.#labels = [labelsOf(options.cluster, '', OVERFLOW, '', OVERFLOW)];
  }

  /** Edges that have series of their own now. */
  get count(): number {
    return this.#byKey.size;
  }

  /** One more than the highest number of an edge. */
  get used(): number {
    return this.#used;
  }

  /** Before each look: what time it is. Gives up what has been idle for too long. */
  begin(nowMs: number): void {
    this.#nowMs = nowMs;
    const { endpoints, idleMs } = this.#options;
    if (this.#renamed !== endpoints.renamed) {
      this.#renamed = endpoints.renamed;
      this.#pairs.clear();
    }
    if (this.#sweepAt > 1 || Math.abs(nowMs - this.#sweptMs) >= Math.min(1000, idleMs / 10)) this.#sweep(nowMs);
  }

  /** The edge of two endpoints' numbers, taken up if there is room; its time begins anew. */
  of(source: number, destination: number): number {
    const low = (Math.imul(source, 0x9e3779b1) + Math.imul(destination, 0x85ebca6b)) >>> 0;
    const place = this.#pairs.find(low, source);
    const [edges, serials] = this.#pairs.values as [Uint32Array, Uint32Array];
    let edge = place === -1 ? OVERFLOW_EDGE : (edges[place] as number);
    // What was kept of an edge that is gone by now, or of one for which there was no room, holds no longer.
    const holds = edge === OVERFLOW_EDGE ? this.expired : (this.#serials[edge] as number);
    if (place === -1 || serials[place] !== holds % 2 ** 32) edge = this.#find(source, destination, low);
    this.#lastMs[edge] = this.#nowMs;
    if (edge === OVERFLOW_EDGE) this.overflowRecords += 1;
    return edge;
  }

  /** Serial of an edge; 0 for `_overflow`, which is never given up. */
  serialOf(edge: number): number {
    return this.#serials[edge] as number;
  }

  /** Whether there is such an edge now. */
  has(edge: number): boolean {
    return this.#labels[edge] !== undefined;
  }

  /** Identity labels of an edge. */
  identity(edge: number): string {
    return this.#labels[edge]?.identity ?? '';
  }

  /** Its labels in the service graph's words. */
  graph(edge: number): string {
    return this.#labels[edge]?.graph ?? '';
  }

  #find(source: number, destination: number, low: number): number {
    const from = this.#workload(source);
    const to = this.#workload(destination);
    const key = JSON.stringify([from, to]);
    const edge = this.#byKey.get(key) ?? this.#take(key, from, to);
    const place = this.#pairs.claim(low, source, Math.max(1, Math.floor(this.#nowMs / 1000) % 2 ** 32));
    const [edges, serials] = this.#pairs.values as [Uint32Array, Uint32Array];
    edges[place] = edge;
    serials[place] = (edge === OVERFLOW_EDGE ? this.expired : (this.#serials[edge] as number)) % 2 ** 32;
    return edge;
  }

  #take(key: string, from: Workload, to: Workload): number {
    const { cluster, maxEdges } = this.#options;
    if (this.#byKey.size >= maxEdges) return OVERFLOW_EDGE;
    const edge = this.#free.pop() ?? this.#used++;
    this.serial += 1;
    this.#serials[edge] = this.serial;
    this.#labels[edge] = { ...labelsOf(cluster, ...from, ...to), key };
    this.#byKey.set(key, edge);
    return edge;
  }

  #workload(number: number): Workload {
    const identity = this.#options.endpoints.identity(number);
    if (identity === undefined) return ['', UNKNOWN];
    return [identity.namespace, identity.workload || identity.name || UNKNOWN];
  }

  #sweep(nowMs: number): void {
    const { dropped, idleMs } = this.#options;
    this.#sweptMs = nowMs;
    let left = EXPIRE_AT_ONCE;
    for (let edge = this.#sweepAt; edge < this.#used; edge += 1) {
      const labels = this.#labels[edge];
      if (labels === undefined || nowMs - (this.#lastMs[edge] as number) <= idleMs) continue;
      if (left === 0) {
        this.#sweepAt = edge;
        return;
      }
      left -= 1;
      this.expired += 1;
      this.#labels[edge] = undefined;
      this.#serials[edge] = GONE;
      this.#byKey.delete(labels.key);
      this.#free.push(edge);
      dropped(edge);
    }
    this.#sweepAt = 1;
  }
}

/** Namespace and workload. */
type Workload = readonly [string, string];

function labelsOf(cluster: string, fromSpace: string, from: string, toSpace: string, to: string): Labels {
  return {
    key: '',
    identity: labelsText({
      cluster,
      source_namespace: fromSpace,
      source_workload: from,
      destination_namespace: toSpace,
      destination_workload: to,
    }),
    graph: labelsText({
      client: from,
      server: to,
      connection_type: '',
      client_service_namespace: fromSpace,
      server_service_namespace: toSpace,
      cluster,
    }),
  };
}
