/**
 * Which client-server pairs have series: as many as are allowed, as long as records come. A pair is two workloads; the
 * data path knows endpoints by small numbers, and finds the edge of two of them without making an object.
 */
import type { Endpoints } from '../../correlate/endpoints.ts';
import { FingerprintTable } from '../../correlate/fingerprint_table.ts';
import { labelsText } from '../../telemetry/metrics_text.ts';

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
/** What is kept of a pair of endpoints: edge and serial. */
const PAIR = 2;

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

/** Namespace and workload. */
type Workload = readonly [string, string];

/** What an edge is called. */
interface Names {
  readonly key: string;
  readonly from: Workload;
  readonly to: Workload;
  /** Its labels as they stand between the braces of a line. */
  readonly identity: string;
  /** The same in the words of the service graph; made when somebody asks. */
  graph?: string;
}

/** Edges by number; the numbers of those that were given up are given again. */
export class Edges {
  readonly #options: EdgesOptions;
  /** Edge and serial of the pairs of endpoints asked for lately. */
  readonly #pairs: FingerprintTable;
  readonly #byKey = new Map<string, number>();
  readonly #names: (Names | undefined)[];
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
    this.#pairs = new FingerprintTable(cache, PAIR);
    this.#serials = new Float64Array(most);
    this.#lastMs = new Float64Array(most);
    this.#names = [namesOf('', options.cluster, ['', OVERFLOW], ['', OVERFLOW])];
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
    const { values } = this.#pairs;
    let edge = place === -1 ? OVERFLOW_EDGE : (values[place * PAIR] as number);
    // What was kept of an edge that is gone by now, or of one for which there was no room, holds no longer.
    const holds = edge === OVERFLOW_EDGE ? this.expired : (this.#serials[edge] as number);
    if (place === -1 || values[place * PAIR + 1] !== holds % 2 ** 32) edge = this.#find(source, destination, low);
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
    return this.#names[edge] !== undefined;
  }

  /** Identity labels of an edge. */
  identity(edge: number): string {
    return this.#names[edge]?.identity ?? '';
  }

  /** Its labels in the service graph's words. */
  graph(edge: number): string {
    const names = this.#names[edge];
    if (names === undefined) return '';
    names.graph ??= graphLabels(this.#options.cluster, names);
    return names.graph;
  }

  #find(source: number, destination: number, low: number): number {
    const from = this.#workload(source);
    const to = this.#workload(destination);
    const key = JSON.stringify([from, to]);
    const edge = this.#byKey.get(key) ?? this.#take(key, from, to);
    const place = this.#pairs.claim(low, source, Math.max(1, Math.floor(this.#nowMs / 1000) % 2 ** 32));
    const { values } = this.#pairs;
    values[place * PAIR] = edge;
    values[place * PAIR + 1] = (edge === OVERFLOW_EDGE ? this.expired : (this.#serials[edge] as number)) % 2 ** 32;
    return edge;
  }

  #take(key: string, from: Workload, to: Workload): number {
    const { cluster, maxEdges } = this.#options;
    if (this.#byKey.size >= maxEdges) return OVERFLOW_EDGE;
    const edge = this.#free.pop() ?? this.#used++;
    this.serial += 1;
    this.#serials[edge] = this.serial;
    this.#names[edge] = namesOf(key, cluster, from, to);
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
      const names = this.#names[edge];
      if (names === undefined || nowMs - (this.#lastMs[edge] as number) <= idleMs) continue;
      if (left === 0) {
        this.#sweepAt = edge;
        return;
      }
      left -= 1;
      this.expired += 1;
      this.#names[edge] = undefined;
      this.#serials[edge] = GONE;
      this.#byKey.delete(names.key);
      this.#free.push(edge);
      dropped(edge);
    }
    this.#sweepAt = 1;
  }
}

function namesOf(key: string, cluster: string, from: Workload, to: Workload): Names {
  const [source_namespace, source_workload] = from;
  const [destination_namespace, destination_workload] = to;
  const identity = { cluster, source_namespace, source_workload, destination_namespace, destination_workload };
  return { key, from, to, identity: labelsText(identity) };
}

function graphLabels(cluster: string, { from, to }: Names): string {
  const [client_service_namespace, client] = from;
  const [server_service_namespace, server] = to;
  const spaces = { client_service_namespace, server_service_namespace };
  return labelsText({ client, server, connection_type: '', ...spaces, cluster });
}
