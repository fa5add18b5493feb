/** Pages of rows: read, paired where the table has two views of one thing, named, shaped. */
import { stampOf } from '../../store/resolved.ts';
import { addNames, END_PROPERTIES, ENDS, type End, type EndpointNames, hasEnds } from './endpoint_names.ts';
import { asDialled, completed, counts, type Exchange, pairUp } from './exchange.ts';
import { rowShaper } from './fields.ts';
import { flowId, idOf } from './ids.ts';
import { inParts } from './parts.ts';
import type { Question } from './question.ts';
import type { Scope } from './scope.ts';
import { endpointNamesSql, NAMES_AT_ONCE } from './sql/endpoints_by_id.ts';
import { saysWhichEnd } from './sql/exchange.ts';
import { listSql, ORDER_VALUES } from './sql/list.ts';
import { requestsOncePageSql, VIEWS_AROUND, viewsAroundSql, WHOLE_VIEWS, wholeViewsSql } from './sql/requests.ts';
import type { Store, StoreRow } from './store.ts';

/** One page. */
export interface Page {
  /** As answers show them. */
  readonly rows: Record<string, unknown>[];
  /** Order values behind which the next page begins; undefined if there is none. */
  readonly after: readonly string[] | undefined;
  /** Whether some row stands for more than itself. */
  readonly sampled: boolean;
}

/** Rounds after which a page of which little counts is handed out unfilled; the next page goes on from there. */
const MAX_ROUNDS = 6;

/** Columns of the other end's view that stand alongside a request. */
export const OTHER_SIDE = [
  ...['observation_point', 'time', 'node', 'netns', 'pid', 'duration_ns', 'request_sent_ns', 'application_read_ns'],
  ...['response_start_ns', 'request_bytes', 'response_bytes', 'rwnd_limited_us', 'sndbuf_limited_us'],
  ...['zero_window_ns', 'retransmitted_segments', 'fast_retransmits', 'timeouts', 'tail_loss_probes', 'srtt_us'],
  ...['max_rtt_us', 'bytes_out_of_order', 'http_status_code', 'outcome', 'request_end', 'close_cause', 'closed_by'],
  'request_index',
] as const;

/** Names of the endpoints that stand in these shaped rows, by id. */
export async function namesFor(
  store: Store,
  rows: readonly Record<string, unknown>[],
  scope: Scope,
  signal?: AbortSignal,
): Promise<ReadonlyMap<string, EndpointNames>> {
  const ids = new Set<string>();
  for (const row of rows) {
    for (const end of ENDS) {
      const id = row[`${end}_endpoint_id`];
      if (id !== null && id !== undefined) ids.add(String(id));
    }
  }
  if (ids.size === 0) return new Map();
  const found = await store.rowsOfParts(
    inParts([...ids], { entries: NAMES_AT_ONCE }),
    (part) => endpointNamesSql(part, scope),
    signal,
  );
  return new Map(found.map((row) => [String(row.endpoint_id), namesOf(row)]));
}

/** Names as answers show them: null instead of empty. */
export function namesOf(row: StoreRow): EndpointNames {
  const entries = END_PROPERTIES.map((property) => [property, row[property] === '' ? null : row[property]]);
  return Object.fromEntries(entries) as EndpointNames;
}

/** The ends as a row was stored with them, where they may have been decided anew since. */
function stampsOf(row: StoreRow): Record<string, unknown> {
  const stamps = ENDS.map((end) => [`${end}_endpoint_id`, row[stampOf(end)]]);
  return Object.fromEntries(stamps.filter(([, stamp]) => stamp !== undefined));
}

/** Id of a row as the store gives it, together with when it ended. */
export const idOfView = (row: StoreRow): string => idOf({ ...row, ...stampsOf(row), time: BigInt(String(row._end)) });

const isFinal = (view: Record<string, unknown>, end: End) =>
  ['socket', 'cgroup'].includes(String(view[`${end}_basis`]));

/** Both ends of an exchange, of its shaped views: as the view that counts knows them, else the one that observed them. */
function endsOf(shown: Record<string, unknown>, seen: Record<string, unknown>): Record<string, unknown> {
  const ends = ENDS.flatMap((end) => {
    const observer = (view: Record<string, unknown>) => (view.observation_point === 'client') === (end === 'source');
    const [own, other] = observer(shown) ? [shown, seen] : [seen, shown];
    const known = [shown, own].find((view) => isFinal(view, end));
    const said = [own, other].find((view) => view[`${end}_endpoint_id`] !== null);
    const best = known ?? said ?? own;
    return ['endpoint_id', 'basis'].map((what) => [`${end}_${what}`, best[`${end}_${what}`]]);
  });
  return Object.fromEntries(ends);
}

/** A request as answers show it, with the other end's view alongside. Each end knows best who it is itself. */
export function shapeExchange(
  { row, other }: Exchange,
  shape: (row: StoreRow) => Record<string, unknown>,
): Record<string, unknown> {
  const shown = shape(asDialled({ row, other }));
  shown.id = idOf({ ...shown, ...stampsOf(row) });
  shown.flow_id = flowId(shown);
  shown.other_side = null;
  if (other !== undefined) {
    const seen = shape(other);
    const evidence = Object.fromEntries(OTHER_SIDE.map((name) => [name, seen[name]]));
    shown.other_side = { id: idOf({ ...seen, ...stampsOf(other) }), flow_id: flowId(seen), ...evidence };
    Object.assign(shown, endsOf(shown, seen));
  }
  return shown;
}

const inOrderOfEnd = (rows: readonly StoreRow[]) =>
  rows.toSorted((a, b) => (BigInt(String(a._end)) < BigInt(String(b._end)) ? -1 : 1));

/** The rows with the views of the other ends; of those only what pairing needs. */
async function paired(
  store: Store,
  rows: readonly StoreRow[],
  scope: Scope,
  signal: AbortSignal | undefined,
): Promise<Exchange[]> {
  const parts = inParts(inOrderOfEnd(rows), VIEWS_AROUND);
  const views = await store.rowsOfParts(parts, (part) => viewsAroundSql(part, scope), signal);
  return pairUp(rows, views);
}

/** The exchanges with all that the other ends saw, and with whole rows where they were read in part. */
async function withWholeViews(
  store: Store,
  exchanges: readonly Exchange[],
  scope: Scope,
  signal: AbortSignal | undefined,
): Promise<Exchange[]> {
  const partial = exchanges.flatMap(({ row, other }) => [
    ...('cluster' in row ? [] : [row]),
    ...(other ? [other] : []),
  ]);
  const parts = inParts(inOrderOfEnd(partial), WHOLE_VIEWS);
  const whole = await store.rowsOfParts(parts, (part) => wholeViewsSql(part, scope), signal);
  return completed(exchanges, whole);
}

/** One round: rows in order, with the views that tell which of them count. */
async function readRound(
  store: Store,
  question: Question,
  after: readonly string[] | undefined,
  limit: number,
  signal: AbortSignal | undefined,
): Promise<Exchange[]> {
  const isRequest = question.definition.table.name === 'requests';
  const sql = isRequest && countsInSql(question) ? requestsOncePageSql : listSql;
  const rows = await store.rows(sql(question, after, limit), signal);
  if (isRequest) return await paired(store, rows, question.scope, signal);
  return rows.map((row) => ({ row, other: undefined }));
}

/** Whether the store itself leaves out views that do not count: dearer, but never a page of nothing. */
const countsInSql = (question: Question): boolean => question.order.by !== 'time' && !saysWhichEnd(question);

/**
 * Reads one page.
 * @param after order values of the last row before it; undefined for the first page
 * @param limit most rows
 */
export async function readPage(
  store: Store,
  question: Question,
  after: readonly string[] | undefined,
  limit: number,
  signal?: AbortSignal,
): Promise<Page> {
  const isRequest = question.definition.table.name === 'requests';
  const everyView = !isRequest || saysWhichEnd(question) || countsInSql(question);
  const taken: Exchange[] = [];
  let behind = after;
  let more = true;
  for (let round = 0; more && taken.length < limit && round < MAX_ROUNDS; round += 1) {
    const wanted = (limit - taken.length) * (everyView ? 1 : 2) + 1;
    const read = await readRound(store, question, behind, wanted, signal);
    more = read.length === wanted;
    const usable = more ? read.slice(0, -1) : read;
    for (const exchange of usable) {
      if (taken.length === limit) {
        more = true;
        break;
      }
      behind = exchange.row[ORDER_VALUES] as string[];
      if (everyView || counts(exchange)) taken.push(exchange);
    }
  }
  const { table } = question.definition;
  const shape = rowShaper(table.columns);
  const exchanges = isRequest ? await withWholeViews(store, taken, question.scope, signal) : taken;
  const rows = exchanges.map((exchange) => {
    if (isRequest) return shapeExchange(exchange, shape);
    const shown = shape(exchange.row);
    if (hasEnds(table)) shown.flow_id = flowId(shown);
    return shown;
  });
  if (hasEnds(table)) {
    const names = await namesFor(store, rows, question.scope, signal);
    for (const row of rows) addNames(row, names);
  }
  return {
    rows,
    after: more ? behind : undefined,
    sampled: exchanges.some(({ row }) => Number(row.sample_weight) > 1),
  };
}
