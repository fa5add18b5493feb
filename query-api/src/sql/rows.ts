/**
 * Rows of a table that has two ends, as questions read them: within scope and time, filtered, and, where somebody told
 * who had which address, with the ends of rows decided anew. That is dear for each row, so it is done for as few as
 * possible: filters that say nothing of the ends come first, and those on ends leave out beforehand what cannot pass.
 */
import { type Views, withOtherEnds } from '../../../store/other_views.ts';
import { allColumns } from '../../../store/remainders.ts';
import { decidedRows, stampOf } from '../../../store/resolved.ts';
import { REQUESTS, type Table } from '../../../store/tables.ts';
import { ENDS, type End } from '../endpoint_names.ts';
import type { Filter } from '../filter/filter.ts';
import { mayPassSql } from '../filter/may_pass.ts';
import { filtersSql } from '../filter/sql.ts';
import type { Window } from '../question.ts';
import { type Scope, scoped } from '../scope.ts';
import { inWindow, OTHER_END_WITHIN_NS } from './conditions.ts';
import { DIALLED_COLUMNS, withDialled } from './dialled.ts';
import type { Parameters } from './parameters.ts';

/** Which rows are wanted. */
export interface RowsAsked extends Window {
  readonly scope: Scope;
  readonly filters: readonly Filter[];
}

/** What is done with them. */
export interface RowsRead {
  readonly table: Table;
  /** Names of the columns that are read. */
  readonly columns: readonly string[];
  /** More conditions on `t`, of which none looks at an end's id or at what was dialled. */
  readonly conditions?: readonly string[];
  /**
   * ORDER BY and LIMIT over `t`, if that is all that is done with the rows; it looks at neither as well. What the other
   * view of a request knows is then told by filters alone: rows of a page are paired with it (exchange.ts).
   */
  readonly page?: string;
  /** Whether an end that the other view of a request observed itself is told by it. */
  readonly paired?: boolean;
  /** Whether what a client dialled is told of the server's view of its requests as well; then rows are paired too. */
  readonly once?: boolean;
}

/** Rows `t`: what stands behind FROM and WHERE. */
export interface Rows {
  readonly from: string;
  readonly where: string;
  /** Whether rows say as `stamped_…` which ends they were stored with, because they may have others now. */
  readonly stamped: boolean;
}

/** Columns beside those of the table by which ids of such requests are made: they are places in the primary key. */
export function stampColumns({ stamped }: Rows): string[] {
  return stamped ? ENDS.map((end) => `t.${stampOf(end)} AS ${stampOf(end)}`) : [];
}

const idColumn = (end: End) => `${end}_endpoint_id`;
const IDS = ENDS.map(idColumn);
const ENDS_COLUMNS = [...IDS, ...ENDS.map((end) => `${end}_basis`)];

/** Views of requests around the time asked for. */
function viewsAround({ scope, since, until }: RowsAsked, parameters: Parameters): Views {
  const { from, condition } = scoped(scope, REQUESTS.name, 'v', parameters);
  const around = { since: since - OTHER_END_WITHIN_NS, until: until + OTHER_END_WITHIN_NS };
  return { from, where: `${condition} AND ${inWindow(around, 'v', parameters)}` };
}

const looksAt = (filter: Filter, columns: readonly string[]) =>
  [...filter.any, ...filter.none].some(({ column }) => columns.includes(column.name));

/** SQL for rows `t` that pass the filters. */
export function rowsSql(asked: RowsAsked, read: RowsRead, parameters: Parameters): Rows {
  const { scope, filters } = asked;
  const { table, columns, conditions = [], page = '', once = false, paired = once } = read;
  const filtersUse = (names: readonly string[]) => filters.some((filter) => looksAt(filter, names));
  const uses = (names: readonly string[]) => columns.some((name) => names.includes(name)) || filtersUse(names);
  const ends = scope.claims !== 'none' ? ENDS.filter((end) => uses([idColumn(end)])) : [];
  const views =
    paired && (page === '' ? uses(ENDS_COLUMNS) : filtersUse(ENDS_COLUMNS))
      ? viewsAround(asked, parameters)
      : undefined;
  const dialled = once && uses(DIALLED_COLUMNS);
  const lateColumns = [
    ...(views === undefined ? ends.map(idColumn) : ENDS_COLUMNS),
    ...(dialled ? DIALLED_COLUMNS : []),
  ];
  const late = filters.filter((filter) => looksAt(filter, lateColumns));
  const ofEnds = late.filter((filter) => looksAt(filter, IDS));
  const early = filters.filter((filter) => !late.includes(filter));
  const { from, condition } = scoped(scope, table.name, 't', parameters);
  const stored = [
    condition,
    inWindow(asked, 't', parameters),
    filtersSql(early, asked, parameters),
    ...conditions,
    ...mayPassSql(ofEnds, { ...asked, table, views }, parameters),
  ].join(' AND ');
  if (ends.length === 0 && !dialled && views === undefined) return { from, where: stored, stamped: false };
  // only a page of them is wanted, and which rows are on it is known beforehand
  const rest = late.length === 0 ? page : '';
  const undecided = ends.length === 0 && views !== undefined;
  const stamps = undecided ? ENDS.map((end) => `, t.${idColumn(end)} AS ${stampOf(end)}`).join('') : '';
  const plain = `(SELECT ${allColumns(table, 't')}${stamps} FROM ${from} WHERE ${stored} ${rest})`;
  // few claims are read in less time than it takes to find out which of them matter
  const isMany = scope.claims === 'many';
  const window = isMany
    ? { since: parameters.instant(asked.since), until: parameters.instant(asked.until) }
    : undefined;
  const resolved =
    ends.length === 0 ? plain : `(${decidedRows(table, { from: plain, ends, window, onlyAsked: isMany })})`;
  const known = views === undefined ? resolved : `(${withOtherEnds(table, resolved, views)})`;
  const told = dialled ? withDialled(known, asked, parameters) : known;
  const stamped = undecided || ends.length === ENDS.length;
  return { from: `${told} AS t`, where: filtersSql(late, asked, parameters), stamped };
}

/** SQL for whole rows `t`, with both ends, that fulfil the conditions. */
export function wholeRowsSql(
  table: Table,
  asked: RowsAsked,
  conditions: readonly string[],
  parameters: Parameters,
): Rows {
  return rowsSql(asked, { table, columns: IDS, conditions }, parameters);
}
