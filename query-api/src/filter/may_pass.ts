/** What can be said of rows before their ends are decided: which of them may pass filters on ends. */
import { askedAddress, isHint } from '../../../store/resolved.ts';
import { ENDPOINT_ADDRESSES } from '../../../store/tables.ts';
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

function alternativeMaySql(alternative: Alternative, asked: Asked, parameters: Parameters): string {
  const { name } = alternative.column;
  const end = ENDS.find((one) => name === `${one}_endpoint_id`);
  if (end === undefined) return alternativeSql(alternative, 't.time', asked, parameters);
  const { from, condition } = scoped(asked.scope, ENDPOINT_ADDRESSES.name, 'c', parameters);
  const had = `SELECT c.address FROM ${from} WHERE ${condition} AND ${onceSql(alternative, 'c.endpoint_id', asked, parameters)}`;
  const stamped = onceSql(alternative, `t.${name}`, asked, parameters);
  return `(${stamped} OR (${isHint(end, 't')} AND ${askedAddress(end, 't')} IN (${had})))`;
}

/**
 * Conditions on rows `t` as they are stored: rows that pass the filters once their ends are decided fulfil them. An end
 * is what the row was stored with, or one who had its address at some time.
 */
export function mayPassSql(filters: readonly Filter[], asked: Asked, parameters: Parameters): string[] {
  return filters
    .filter(({ any }) => any.length > 0)
    .map(({ any }) => `(${any.map((one) => alternativeMaySql(one, asked, parameters)).join(' OR ')})`);
}
