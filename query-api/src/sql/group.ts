/** SQL for groups of rows. */

import { ENDS, type End } from '../endpoint_names.ts';
import { kindOf } from '../fields.ts';
import type { Grouping, GroupKey } from '../grouping.ts';
import type { Question } from '../question.ts';
import type { Asked } from '../scope.ts';
import { SERVICE_SQL } from './dialled.ts';
import { latestNamesSql, propertySql } from './endpoints_by_id.ts';
import { requestsOnceSql } from './exchange.ts';
import { intervalsSql } from './intervals.ts';
import { type BoundQuery, Parameters } from './parameters.ts';
import { rowsSql } from './rows.ts';

/** Latest names of each endpoint, to be joined under the given alias. */
export function namesJoin(asked: Asked, end: End, parameters: Parameters): string {
  const latest = latestNamesSql(asked, parameters);
  return `LEFT ANY JOIN (${latest}) AS ${end} ON ${end}.endpoint_id = t.${end}_endpoint_id`;
}

/** What an end was at the time of the row, under the name that keyExpression gives to each key of it. */
function endJoin(grouping: Grouping, asked: Asked, end: End, parameters: Parameters): string {
  const columns = grouping.keys.flatMap((key, index) => {
    if ((key.kind !== 'end' && key.kind !== 'label') || key.end !== end) return [];
    const of = key.kind === 'end' ? propertySql(key.property) : `e.labels[${parameters.bind(key.label, 'String')}]`;
    return [[endColumn(index), of] as const];
  });
  if (columns.length === 0) return '';
  return (
    `ASOF LEFT JOIN (${intervalsSql(Object.fromEntries(columns), asked, parameters)}) AS ${end}` +
    ` ON ${end}.endpoint_id = t.${end}_endpoint_id AND t.time >= ${end}.since`
  );
}

const endColumn = (index: number) => `of_k${index}`;

function keyExpression(key: GroupKey, index: number, interval: bigint | undefined): string {
  if (key.kind === 'interval')
    return `toStartOfInterval(t.time, toIntervalSecond(${(interval ?? 1n) / 1_000_000_000n}))`;
  if (key.kind === 'end' || key.kind === 'label') return `${key.end}.${endColumn(index)}`;
  if (key.kind === 'service') return SERVICE_SQL('t');
  return kindOf(key.column) === 'hex' ? `lower(hex(t.${key.name}))` : `t.${key.name}`;
}

function secondsOf(question: Question, grouping: Grouping): string {
  const length = grouping.interval ?? question.until - question.since;
  return (Number(length) / 1e9).toString();
}

/** Columns of the table that the keys, measures and name joins read. */
function columnsRead(question: Question, grouping: Grouping): string[] {
  const texts = [
    ...grouping.keys.map((key, index) => keyExpression(key, index, grouping.interval)),
    ...grouping.measures.map((measure) => measure.expression),
  ].join(' ');
  const names = question.definition.table.columns.map((one) => one.name);
  const ends = grouping.keys.flatMap((key) => ('end' in key ? [`${key.end}_endpoint_id`] : []));
  const read = names.filter((name) => new RegExp(`\\bt\\.${name}\\b`).test(texts));
  const { weight = 'sample_weight' } = question.definition;
  return [...new Set([...read, ...ends, 'time', weight])];
}

/**
 * One page of groups. Keys come as k0, k1, …, measures as m0, m1, …
 * @param offset groups before the page
 * @param limit most groups
 */
export function groupSql(question: Question, grouping: Grouping, offset: number, limit: number): BoundQuery {
  const parameters = new Parameters();
  const { definition, order } = question;
  const columns = columnsRead(question, grouping);
  let source: string;
  if (definition.table.name === 'requests') {
    source = `${requestsOnceSql(question, columns, parameters)} AS t`;
  } else {
    const { from, where } = rowsSql(question, { table: definition.table, columns }, parameters);
    source = `(SELECT ${columns.map((name) => `t.${name} AS ${name}`).join(', ')} FROM ${from} WHERE ${where}) AS t`;
  }
  const keys = grouping.keys.map((key, index) => `${keyExpression(key, index, grouping.interval)} AS k${index}`);
  const seconds = secondsOf(question, grouping);
  const measures = grouping.measures.map(
    (measure, index) => `${measure.expression.replaceAll('{seconds}', seconds)} AS m${index}`,
  );
  // rows that are counts by themselves are no samples
  const sampled = definition.weight === undefined ? 'max(t.sample_weight)' : '1';
  const keyNames = grouping.keys.map((_key, index) => `k${index}`);
  const orderAlias = aliasOf(grouping, order.by);
  const sql = [
    `SELECT ${[...keys, ...measures].join(', ')}, ${sampled} AS _weight`,
    `FROM ${source}`,
    ...ENDS.map((end) => endJoin(grouping, question, end, parameters)),
    `GROUP BY ${keyNames.join(', ')}`,
    `ORDER BY ${orderAlias} ${order.descending ? 'DESC' : 'ASC'} NULLS LAST, ${keyNames.join(', ')}`,
    `LIMIT ${parameters.bind(limit, 'UInt64')} OFFSET ${parameters.bind(offset, 'UInt64')}`,
  ].join('\n');
  return { sql, parameters };
}

function aliasOf(grouping: Grouping, name: string): string {
  const key = grouping.keys.findIndex((candidate) => candidate.name === name);
  return key >= 0 ? `k${key}` : `m${grouping.measures.findIndex((candidate) => candidate.name === name)}`;
}
