/** Asks /v1 what explain() needs to know: a handful of groups, then a few rows for each finding. */
import type { Completeness } from '../../src/completeness.ts';
import { getJson } from '../observe_client.ts';
import { type Answers, EDGE_KEYS, type Row, type Sample } from './answers.ts';
import { explain } from './explain.ts';
import type { Finding } from './finding.ts';
import { SLOW_MS } from './thresholds.ts';

/** What is asked about. */
export interface Question {
  /** URL of the query API, without a slash at its end. */
  readonly server: string;
  /** RFC 3339. */
  readonly since: string;
  readonly until: string;
  /** Parameters that narrow the answer and that edges, requests and tcp-events all take. */
  readonly filters: URLSearchParams;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Rows that are read for each finding and kind: the newest. Default 200. */
  readonly sample_rows?: number;
}

interface Page {
  readonly data: Row[];
  readonly next: string | null;
  readonly completeness: Completeness;
}

/** Groups of an answer, and pages of them that are read. */
const PAGE = 1_000;
const PAGES = 5;
/** Findings that rows are read for, how many at a time, and rows of each. */
const SAMPLED = 20;
const AT_ONCE = 3;
const SAMPLE_ROWS = 200;
const EVENTS_PER_REQUEST = 4;

/** An endpoint id that is no number from 1 on: not known. */
const UNKNOWN = '!1..';

const KEYS = EDGE_KEYS.join(',');
const TIMES = 'first_time,last_time';

class Asker {
  readonly #question: Question;
  readonly completeness = new Map<string, Completeness>();
  readonly cut: string[] = [];

  constructor(question: Question) {
    this.#question = question;
  }

  /** All pages of an answer, as far as they are read. */
  async all(route: string, parameters: Readonly<Record<string, string>>): Promise<Row[]> {
    const rows: Row[] = [];
    let cursor: string | null = null;
    for (let pages = 0; pages < PAGES; pages += 1) {
      const page: Page = await this.page(route, { ...parameters, limit: String(PAGE) }, cursor);
      this.completeness.set(JSON.stringify(page.completeness), page.completeness);
      rows.push(...page.data);
      cursor = page.next;
      if (cursor === null) return rows;
    }
    this.cut.push(`${route} ${parameters.group_by ?? ''}`.trim());
    return rows;
  }

  /** One page. */
  async page(route: string, parameters: Readonly<Record<string, string>>, cursor: string | null = null): Promise<Page> {
    const { server, since, until, filters, env } = this.#question;
    const query = new URLSearchParams(filters);
    // a question about one edge says more than the filter by which that edge was found
    for (const [name, value] of Object.entries({ since, until, ...parameters })) query.set(name, value);
    if (cursor !== null) query.set('cursor', cursor);
    return await getJson<Page>(`${server}/v1/${route}?${query}`, env);
  }
}

async function overview(asker: Asker, { since, until }: Question): Promise<Omit<Answers, 'completeness' | 'cut'>> {
  const slow = `${SLOW_MS}ms`;
  const phases = ['receive', 'queue', 'application', 'send'].flatMap((phase) => [`sum_${phase}_ns`, `mostly_${phase}`]);
  const place = `${KEYS},destination_address`;
  const [edges, requests, slowRows, slowAtClient, events, sent, duplicates] = await Promise.all([
    asker.all('edges', { group_by: KEYS }),
    asker.all('requests', {
      group_by: `${place},outcome,http_status_code,close_cause,closed_by`,
      measures: `count,read,avg_duration_ns,${TIMES}`,
    }),
    asker.all('requests', {
      group_by: place,
      min_duration: slow,
      measures: `count,mostly_queue_first,${phases.join(',')},${TIMES}`,
    }),
    asker.all('requests', {
      group_by: place,
      min_duration: slow,
      observation_point: 'client',
      measures: `count,${TIMES}`,
    }),
    asker.all('tcp-events', {
      group_by: `${place},source_address,event_kind,retransmit_cause,sent_by,error_number`,
      event_kind: 'retransmit,connect_failed,accept_overflow',
      measures: `count,sum_segments,${TIMES}`,
    }),
    asker.all('flows', {
      group_by: `${place},observation_point`,
      protocol: 'tcp',
      measures: `sum_data_segments_sent,${TIMES}`,
    }),
    // the kernel's word for a segment of which nothing is new; a keep-alive probe has another
    asker.all('tcp-events', {
      group_by: `${place},source_address,sent_by`,
      drop_reason: 'TCP_OLD_DATA',
      measures: `count,sum_segments,${TIMES}`,
    }),
  ]);
  const connections = await overflowedConnections(asker, events);
  return {
    since,
    until,
    edges,
    requests,
    slow: slowRows,
    slow_at_client: slowAtClient,
    events,
    sent,
    duplicates,
    connections,
    samples: {},
  };
}

/** Events per connection where accept queues were full; none are asked for where none were. */
async function overflowedConnections(asker: Asker, events: readonly Row[]): Promise<Row[]> {
  const full = events.filter((row) => row.event_kind === 'accept_overflow');
  if (full.length === 0) return [];
  const distinct = (name: string) => [...new Set(full.map((row) => String(row[name])))].slice(0, 50).join(',');
  return await asker.all('tcp-events', {
    group_by: `${KEYS},source_address,source_port,destination_address,event_kind,retransmit_cause,sent_by`,
    event_kind: 'retransmit,accept_overflow',
    destination_address: distinct('destination_address'),
    destination_port: distinct('destination_port'),
    measures: `count,sum_segments,${TIMES}`,
    order: 'event_kind',
  });
}

/** What of an edge's requests belongs to a finding, in the words of /v1/requests; undefined if none do. */
const REQUESTS_OF: Readonly<Record<Finding['cause'], Readonly<Record<string, string>> | undefined>> = {
  server_error: { outcome: 'server_error,no_response' },
  client_abort: { outcome: 'no_response', closed_by: 'client' },
  reads_late: { min_duration: `${SLOW_MS}ms` },
  slow_application: { min_duration: `${SLOW_MS}ms` },
  packet_loss: { retransmitted_segments: '1..' },
  accept_queue_overflow: { request_index: '0', min_duration: `${SLOW_MS}ms` },
  connection_refused: undefined,
};

const EVENTS_OF: Readonly<Partial<Record<Finding['cause'], Readonly<Record<string, string>>>>> = {
  packet_loss: { event_kind: 'retransmit' },
  accept_queue_overflow: { event_kind: 'accept_overflow' },
  connection_refused: { event_kind: 'connect_failed' },
};

/** Time before which some list is not whole; null if all are. */
const cutBefore = (pages: readonly Page[]): string | null =>
  pages
    .filter((page) => page.next !== null)
    .map((page) => String(page.data.at(-1)?.time))
    .toSorted()
    .at(-1) ?? null;

async function sampleOf(asker: Asker, { cause, edge }: Finding, rows: number): Promise<Sample> {
  const { source, destination, destination_port } = edge;
  const where = {
    destination_port: String(destination_port),
    destination_endpoint_id: destination.endpoint_id ?? UNKNOWN,
    ...(destination.address === null ? {} : { destination_address: destination.address }),
  };
  const ofClient = { ...where, source_endpoint_id: source.endpoint_id ?? UNKNOWN, limit: String(rows) };
  const ask = async (route: string, parameters: Readonly<Record<string, string>> | undefined) =>
    parameters === undefined ? [] : [await asker.page(route, parameters)];
  const requests = REQUESTS_OF[cause];
  const events = EVENTS_OF[cause];
  const [asServer, asClient, happened] = await Promise.all([
    ask('requests', requests && { ...ofClient, ...requests }),
    // what the client sent again the server's view does not tell
    ask('requests', cause === 'packet_loss' ? { ...ofClient, ...requests, observation_point: 'client' } : undefined),
    // whose a connection was that never came to be is not always known: the destination tells
    ask('tcp-events', events && { ...where, ...events, limit: String(rows * EVENTS_PER_REQUEST) }),
  ]);
  const rowsOf = (pages: readonly Page[]) => pages.flatMap((page) => page.data);
  const known = new Set(rowsOf(asServer).map((row) => String((row.other_side as Row | null)?.id)));
  return {
    requests: [...rowsOf(asServer), ...rowsOf(asClient).filter((row) => !known.has(String(row.id)))],
    events: rowsOf(happened),
    cut_before: cutBefore([...asServer, ...asClient, ...happened]),
  };
}

/**
 * Everything that explain() needs. At most 20 findings get samples.
 * @throws ClientError if the query API does not answer, or refuses
 */
export async function askAll(question: Question): Promise<Answers> {
  const asker = new Asker(question);
  const first = await overview(asker, question);
  const answers = () => ({ ...first, completeness: [...asker.completeness.values()], cut: asker.cut });
  const samples: Record<string, Sample> = {};
  const findings = explain(answers()).slice(0, SAMPLED);
  for (let at = 0; at < findings.length; at += AT_ONCE) {
    const some = findings.slice(at, at + AT_ONCE);
    const found = await Promise.all(
      some.map((finding) => sampleOf(asker, finding, question.sample_rows ?? SAMPLE_ROWS)),
    );
    for (const [index, { id }] of some.entries()) samples[id] = found[index]!;
  }
  return { ...answers(), samples };
}
