/** SQL for a page of rows in a stable order: time or one column first, then time, then a key of the row. */
import { type Column, column, REQUESTS } from '../../../store/tables.ts';
import { ENDS, hasEnds } from '../endpoint_names.ts';
import { selectExpression } from '../fields.ts';
import type { Question } from '../question.ts';
import { endNs, rowKey } from './conditions.ts';
import { saysWhichEnd } from './exchange.ts';
import { type BoundQuery, Parameters } from './parameters.ts';
import { rowsSql, stampColumns } from './rows.ts';

/** Name under which each row carries the values that order it, as an array of decimal numbers. */
export const ORDER_VALUES = '_order';

function orderedColumn(question: Question): Column | undefined {
  const { by } = question.order;
  return by === 'time' ? undefined : column(question.definition.table, by);
}

/** Expressions that order the rows. Each is a 64-bit number, so that a cursor can carry it. */
function orderExpressions(question: Question): string[] {
  const first = orderedColumn(question);
  return [...(first === undefined ? [] : [`t.${first.name}`]), 't.time', rowKey(question.definition.key, 't')];
}

/** ORDER BY of a question about rows of `t`. */
export function orderSql(question: Question): string {
  const direction = question.order.descending ? 'DESC' : 'ASC';
  return orderExpressions(question)
    .map((expression) => `${expression} ${direction}`)
    .join(', ');
}

/** The values that order a row of `t`, as an array of decimal numbers. */
export function orderValues(question: Question): string {
  const first = orderedColumn(question);
  const values = [
    ...(first === undefined ? [] : [`t.${first.name}`]),
    endNs('t'),
    rowKey(question.definition.key, 't'),
  ];
  return `[${values.map((value) => `toString(${value})`).join(', ')}]`;
}

/** Condition on `t`: rows that stand behind the last one of the page before. */
export function behind(question: Question, after: readonly string[], parameters: Parameters): string {
  const [time = '0', key = '0'] = after.slice(-2);
  const bound = [
    ...(orderedColumn(question) === undefined ? [] : [parameters.bind(after[0], 'UInt64')]),
    parameters.instant(BigInt(time)),
    parameters.bind(key, 'UInt64'),
  ];
  const sign = question.order.descending ? '<' : '>';
  // The plain condition on time is what the primary key can use.
  const plain = orderedColumn(question) === undefined ? `t.time ${sign}= ${bound[0]} AND ` : '';
  return `${plain}(${orderExpressions(question).join(', ')}) ${sign} (${bound.join(', ')})`;
}

/**
 * One page of rows of the question's table.
 * @param after order values of the last row before the page; undefined for the first page
 * @param limit most rows
 */
export function listSql(question: Question, after: readonly string[] | undefined, limit: number): BoundQuery {
  const parameters = new Parameters();
  const { definition } = question;
  const { table } = definition;
  const page = `ORDER BY ${orderSql(question)} LIMIT ${parameters.bind(limit, 'UInt64')}`;
  const read = {
    table,
    // what was dialled is told by the other end's view, with which a row is paired when it is there
    columns: hasEnds(table) ? ENDS.map((end) => `${end}_endpoint_id`) : [],
    conditions: after === undefined ? [] : [behind(question, after, parameters)],
    page,
    once: table.name === REQUESTS.name && !saysWhichEnd(question),
  };
  const rows = rowsSql(question, read, parameters);
  const columns = [...shownColumns(table.columns), ...stampColumns(rows), ...(definition.alongside ?? [])];
  const sql = [
    `SELECT ${columns.join(', ')}, ${orderValues(question)} AS ${ORDER_VALUES}`,
    `FROM ${rows.from} WHERE ${rows.where} ${page}`,
  ].join('\n');
  return { sql, parameters };
}

/** The columns as answers show them, each under its own name. */
export function shownColumns(columns: readonly Column[]): string[] {
  return columns.map((one) => `${selectExpression(one)} AS ${one.name}`);
}
