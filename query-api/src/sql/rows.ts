/**
 * Rows of a table that has two ends, as questions read them: within scope and time, filtered, and, where somebody told
 * who had which address, with the ends of rows decided anew. That is dear for each row, so it is done for as few as
 * possible: filters that say nothing of the ends come first, and those on ends leave out beforehand what cannot pass.
 */
import { decidedRows, stampOf } from '../../../store/resolved.ts';
import type { Table } from '../../../store/tables.ts';
import { ENDS, type End } from '../endpoint_names.ts';
import type { Filter } from '../filter/filter.ts';
import { mayPassSql } from '../filter/may_pass.ts';
import { filtersSql } from '../filter/sql.ts';
import type { Window } from '../question.ts';
import { type Scope, scoped } from '../scope.ts';
import { inWindow } from './conditions.ts';
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
  /** ORDER BY and LIMIT over `t`, if that is all that is done with the rows; it looks at neither as well. */
  readonly page?: string;
  /** Whether what a client dialled is told of the server's view of its requests as well. */
  readonly once?: boolean;
}

/** Rows `t`: what stands behind FROM and WHERE. */
export interface Rows {
  readonly from: string;
  readonly where: string;
}

/** Columns beside those of the table by which ids of resolved requests are made: they are places in the primary key. */
export function stampColumns(scope: Scope): string[] {
  return scope.claims !== 'none' ? ENDS.map((end) => `t.${stampOf(end)} AS ${stampOf(end)}`) : [];
}

const idColumn = (end: End) => `${end}_endpoint_id`;

const looksAt = (filter: Filter, columns: readonly string[]) =>
  [...filter.any, ...filter.none].some(({ column }) => columns.includes(column.name));

/** SQL for rows `t` that pass the filters. */
export function rowsSql(asked: RowsAsked, read: RowsRead, parameters: Parameters): Rows {
  const { scope, filters } = asked;
  const { table, columns, conditions = [], page = '', once = false } = read;
  const uses = (names: readonly string[]) =>
    columns.some((name) => names.includes(name)) || filters.some((filter) => looksAt(filter, names));
  const ends = scope.claims !== 'none' ? ENDS.filter((end) => uses([idColumn(end)])) : [];
  const dialled = once && uses(DIALLED_COLUMNS);
  const ofEnds = filters.filter((filter) => looksAt(filter, ends.map(idColumn)));
  const ofDialled = filters.filter((filter) => dialled && looksAt(filter, DIALLED_COLUMNS));
  const late = [...ofEnds, ...ofDialled];
  const early = filters.filter((filter) => !late.includes(filter));
  const { from, condition } = scoped(scope, table.name, 't', parameters);
  const stored = [
    condition,
    inWindow(asked, 't', parameters),
    filtersSql(early, asked, parameters),
    ...conditions,
    ...mayPassSql(ofEnds, asked, parameters),
  ].join(' AND ');
  if (ends.length === 0 && !dialled) return { from, where: stored };
  // only a page of them is wanted, and which rows are on it is known beforehand
  const rest = late.length === 0 ? page : '';
  const plain = `(SELECT t.* FROM ${from} WHERE ${stored} ${rest})`;
  // few claims are read in less time than it takes to find out which of them matter
  const isMany = scope.claims === 'many';
  const window = isMany
    ? { since: parameters.instant(asked.since), until: parameters.instant(asked.until) }
    : undefined;
  const resolved =
    ends.length === 0 ? plain : `(${decidedRows(table, { from: plain, ends, window, onlyAsked: isMany })})`;
  const told = dialled ? withDialled(resolved, asked, parameters) : resolved;
  return { from: `${told} AS t`, where: filtersSql(late, asked, parameters) };
}

/** SQL for whole rows `t`, with both ends, that fulfil the conditions. */
export function wholeRowsSql(
  table: Table,
  asked: RowsAsked,
  conditions: readonly string[],
  parameters: Parameters,
): Rows {
  return rowsSql(asked, { table, columns: ENDS.map(idColumn), conditions }, parameters);
}
