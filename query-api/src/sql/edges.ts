/** /v1/edges: who talks to whom, and how it goes. */
import { EDGE_COUNTS } from '../../../store/edge_counts.ts';
import { EDGE_MEASURES } from '../edge_measures.ts';
import type { EdgesQuestion } from '../edges.ts';
import type { Window } from '../question.ts';
import { countedSql, keyNames, partsOf, type Reading } from './edge_sources.ts';
import { type BoundQuery, Parameters } from './parameters.ts';

/** Groups of edges as the question makes them: k0, k1, …, the counts, and `edges` if they are wanted. */
function groupedSql(reading: Reading): string {
  const keys = keyNames(reading.question);
  const merged = reading.counts.map(({ name, merge }) => `${merge}(t.${name}) AS ${name}`);
  const edges = reading.withEdges ? ['groupUniqArrayArray(t.edges) AS edges'] : [];
  const columns = [...keys.map((key) => `t.${key} AS ${key}`), ...merged, ...edges, 'max(t.weight) AS weight'];
  return `SELECT ${columns.join(', ')} FROM (${countedSql(reading)}) AS t GROUP BY ${keys.join(', ')}`;
}

/** Counts that a SQL text names. */
const countsIn = (text: string) => EDGE_COUNTS.filter(({ name }) => new RegExp(`\\b${name}\\b`).test(text));

/** Most edges of a page for which it is found out first which they are, unless edges are of single endpoints. */
const SMALL_PAGE = 200;
/** Minutes and hours are cheap to read twice; rows, if any, make up no more of the time than one in so many. */
const ROWS_ONE_IN = 50n;

/** Whether there may be many more edges than on the page: then all of their numbers are read of those of the page only. */
function isPageFirst(question: EdgesQuestion, limit: number): boolean {
  const length = ({ since, until }: Window) => until - since;
  const ofRows = partsOf(question).rows.reduce((sum, window) => sum + length(window), 0n);
  if (ofRows * ROWS_ONE_IN > length(question)) return false;
  const isSingle = ({ name }: EdgesQuestion['keys'][number]) =>
    /_endpoint_id$|^(?:source|destination)_name$/.test(name);
  return limit <= SMALL_PAGE || question.keys.some(isSingle);
}

/**
 * One page of edges. Keys come as k0, k1, …, measures under their names.
 * @param offset edges before the page
 * @param limit most edges
 * @param pageFirst whether it is found out first, by what orders them, which edges are on the page
 */
export function edgesSql(
  question: EdgesQuestion,
  offset: number,
  limit: number,
  pageFirst = isPageFirst(question, limit),
): BoundQuery {
  const parameters = new Parameters();
  const seconds = (Number(question.interval ?? question.until - question.since) / 1e9).toString();
  const measures = EDGE_MEASURES.map(({ name, expression }) => ({
    name,
    of: expression.replaceAll('{seconds}', seconds),
  }));
  const names = keyNames(question);
  const most = parameters.bind(limit, 'UInt64');
  const from = parameters.bind(offset, 'UInt64');
  const key = names[question.keys.findIndex(({ name }) => name === question.order.by)];
  const where = question.onlyWithRequests ? 'WHERE n_requests > 0' : '';
  const ordered = (by: string) =>
    `ORDER BY ${by} ${question.order.descending ? 'DESC' : 'ASC'} NULLS LAST, ${names.join(', ')} LIMIT ${most}`;
  const by = key ?? measures.find(({ name }) => name === question.order.by)!.of;
  const first = { question, counts: countsIn(`${by} ${where}`), parameters, withEdges: true };
  const page = pageFirst
    ? `SELECT ${names.join(', ')}, edges FROM (${groupedSql(first)}) ${where} ${ordered(by)} OFFSET ${from}`
    : undefined;
  const whole = { question, counts: EDGE_COUNTS, parameters, ...(page === undefined ? {} : { page }) };
  const sql = [
    `SELECT ${names.join(', ')}, weight AS _weight, ${measures.map(({ name, of }) => `${of} AS ${name}`).join(', ')}`,
    `FROM (${groupedSql(whole)}) ${where}`,
    `${ordered(key ?? question.order.by)}${pageFirst ? '' : ` OFFSET ${from}`}`,
  ].join('\n');
  return { sql, parameters };
}
