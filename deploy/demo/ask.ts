/** What Flowspan says about a stretch of time: findings, examples and completeness, from answers of the query API alone. */
import { askAll } from '../../query-api/cli/explain/ask.ts';
import { explain } from '../../query-api/cli/explain/explain.ts';
import type { Finding } from '../../query-api/cli/explain/finding.ts';
import type { Completeness } from '../../query-api/src/completeness.ts';
import { eventually } from '../lab/wait.ts';
import type { Flowspan } from './flowspan.ts';
import { HOSTS } from './shop.ts';

/** One end's view of a request, as GET /v1/requests/{id} tells it. */
export type RequestView = Readonly<Record<string, unknown>>;

/** A request that a finding names, asked for by its id. */
export interface Shown {
  readonly id: string;
  readonly request: RequestView;
  /** What each end saw; null if it was not observed. */
  readonly views: { readonly client: RequestView | null; readonly server: RequestView | null };
}

/** Connections of one edge whose requests cannot be seen: they carry tls, http2, or what is no HTTP at all. */
export interface OpaqueEdge {
  /** Names of the hosts; null if it is not known. */
  readonly source: string | null;
  readonly destination: string | null;
  readonly connections: number;
}

/** What Flowspan says. */
export interface Explanation {
  /** About edges between two hosts of the shop; others of this machine are not the demo's. */
  readonly findings: readonly Finding[];
  /** Every example of every finding, by its id. */
  readonly shown: ReadonlyMap<string, Shown>;
  /** Edges with connections whose requests cannot be seen, those with most connections first. */
  readonly opaque: readonly OpaqueEdge[];
  /** Of the answers that the findings are made of: of the first that is not complete, or else of any. */
  readonly completeness: Completeness;
}

/** Requests that are read for each finding: as many as a fault brings about, so that none of its time is left out. */
const SAMPLE_ROWS = 1000;
const STORED_TIMEOUT_MS = 30_000;

async function get<T>(url: string): Promise<T> {
  const response = await fetch(url, { signal: AbortSignal.timeout(30_000) });
  const body = await response.text();
  if (!response.ok) throw new Error(`FLOW_DEMO_ANSWER: ${url} answers ${response.status}: ${body}`);
  return JSON.parse(body) as T;
}

const isHost = (name: string | null): boolean => (HOSTS as readonly (string | null)[]).includes(name);

/** Opaque connections with a host of the shop at one end at least. */
async function askOpaque(queryApiUrl: string, since: string, until: string): Promise<OpaqueEdge[]> {
  const query = new URLSearchParams({
    ...{ since, until, protocol: 'tcp', application_protocol: 'tls,http2,other' },
    ...{ group_by: 'source_workload,destination_workload', measures: 'connections', limit: '1000' },
  });
  interface Group {
    readonly source_workload: string | null;
    readonly destination_workload: string | null;
    readonly connections: string;
  }
  const { data } = await get<{ data: Group[] }>(`${queryApiUrl}/v1/flows?${query}`);
  return data
    .map((row) => ({
      source: row.source_workload,
      destination: row.destination_workload,
      connections: Number(row.connections),
    }))
    .filter(({ source, destination }) => isHost(source) || isHost(destination))
    .toSorted((a, b) => b.connections - a.connections);
}

/**
 * Asks about the time between two RFC 3339 times, when all of it is stored.
 * @throws Error with FLOW_DEMO_ANSWER if the query API refuses
 */
export async function askFlowspan({ queryApiUrl }: Flowspan, since: string, until: string): Promise<Explanation> {
  const stored = await eventually(
    `everything until ${until} to be stored`,
    async () => {
      const url = `${queryApiUrl}/v1/requests?since=${since}&until=${until}&limit=1`;
      const { completeness } = await get<{ completeness: Completeness }>(url);
      const { watermark } = completeness;
      return watermark !== null && Date.parse(watermark) >= Date.parse(until) ? completeness : undefined;
    },
    STORED_TIMEOUT_MS,
  );
  const answers = await askAll({
    server: queryApiUrl,
    since,
    until,
    filters: new URLSearchParams(),
    env: {},
    sample_rows: SAMPLE_ROWS,
  });
  const findings = explain(answers).filter(
    ({ edge }) => isHost(edge.source.workload) && isHost(edge.destination.workload),
  );
  const ids = new Set(findings.flatMap(({ examples }) => examples.map(({ id }) => id)));
  const shown = new Map<string, Shown>();
  for (const id of ids) {
    const { data } = await get<{ data: Omit<Shown, 'id'> }>(`${queryApiUrl}/v1/requests/${id}`);
    shown.set(id, { id, ...data });
  }
  const opaque = await askOpaque(queryApiUrl, since, until);
  const completeness = answers.completeness.find(({ complete }) => !complete) ?? answers.completeness[0] ?? stored;
  return { findings, shown, opaque, completeness };
}
