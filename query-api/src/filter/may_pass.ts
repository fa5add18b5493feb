/** What can be said of rows before their ends are decided: which of them may pass filters on ends. */
import { otherViewMayHold, type Views } from '../../../store/other_views.ts';
import { askedAddress, isHint } from '../../../store/resolved.ts';
import { ENDPOINT_ADDRESSES, type Table } from '../../../store/tables.ts';
import { ENDS } from '../endpoint_names.ts';
import { type Asked, scoped } from '../scope.ts';
import type { Parameters } from '../sql/parameters.ts';
import { endpointOnceSql } from './endpoint_sql.ts';
import type { Alternative, Filter } from './filter.ts';
import { alternativeSql } from './sql.ts';

/** Condition that an id is of an endpoint that fulfils the alternative at some time. */
function onceSql(alternative: Alternative, id: string, asked: Asked, parameters: Parameters): string {
  const { test } = alternative;
  if (test.kind === 'endpoint') return endpointOnceSql(test, id, asked, parameters);
  return alternativeSql(alternative, 't.time', asked, parameters, id);
}

/** Which rows are asked for. */
interface MayPass extends Asked {
  readonly table: Table;
  /** Other views of their requests, if ends are told by those as well. */
  readonly views: Views | undefined;
}

function alternativeMaySql(alternative: Alternative, asked: MayPass, parameters: Parameters): string {
  const { name } = alternative.column;
  const end = ENDS.find((one) => name === `${one}_endpoint_id`);
  if (end === undefined) return alternativeSql(alternative, 't.time', asked, parameters);
  const { from, condition } = scoped(asked.scope, ENDPOINT_ADDRESSES.name, 'c', parameters);
  const had = `SELECT c.address FROM ${from} WHERE ${condition} AND ${onceSql(alternative, 'c.endpoint_id', asked, parameters)}`;
  const stamped = onceSql(alternative, `t.${name}`, asked, parameters);
  const { table, views } = asked;
  const holds = (id: string) => onceSql(alternative, id, asked, parameters);
  const byOther = views === undefined ? '' : ` OR ${otherViewMayHold(table, end, 't', views, holds)}`;
  return `(${stamped} OR (${isHint(end, 't')} AND ${askedAddress(end, 't')} IN (${had}))${byOther})`;
}

/**
 * Conditions on rows `t` as they are stored: rows that pass the filters once their ends are decided fulfil them. An end
 * is what the row was stored with, one who had its address at some time, or what another view of its requests says.
 */
export function mayPassSql(filters: readonly Filter[], asked: MayPass, parameters: Parameters): string[] {
  return filters
    .filter(({ any }) => any.length > 0)
    .map(({ any }) => `(${any.map((one) => alternativeMaySql(one, asked, parameters)).join(' OR ')})`);
}
