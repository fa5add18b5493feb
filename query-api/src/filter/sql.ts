/** Filters as SQL conditions with bound parameters. */
import type { Column } from '../../../store/tables.ts';
import { kindOf } from '../fields.ts';
import type { Asked } from '../scope.ts';
import type { Parameters } from '../sql/parameters.ts';
import { endpointHeldSql, endpointHoldsSql } from './endpoint_sql.ts';
import type { Alternative, Filter } from './filter.ts';
import { textMatches } from './text_sql.ts';
import { addressText } from './values.ts';

function literal(column: Column, value: string | number | bigint | boolean, parameters: Parameters): string {
  switch (kindOf(column)) {
    case 'hex':
      return `unhex(${parameters.bind(value, 'String')})`;
    case 'uuid':
      return parameters.bind(value, 'UUID');
    case 'bool':
      return parameters.bind(value, 'Bool');
    default:
      return parameters.bind(value, 'String');
  }
}

/**
 * Condition that one alternative holds for a row `t`.
 * @param time the row's time
 * @param name the value that is tested; the alternative's column if absent
 */
export function alternativeSql(
  { column, test }: Alternative,
  time: string,
  asked: Asked,
  parameters: Parameters,
  name = `t.${column.name}`,
): string {
  switch (test.kind) {
    case 'equals':
      return `${name} = ${literal(column, test.value, parameters)}`;
    case 'glob':
      return textMatches(name, test.pattern, test.fold === true, parameters);
    case 'between': {
      const { from, to } = test;
      const bound = (value: bigint) => parameters.bind(value, value < 0n ? 'Int64' : 'UInt64');
      const bounds = [
        ...(from === undefined || from === to ? [] : [`${name} >= ${bound(from)}`]),
        ...(to === undefined ? [] : [`${name} ${from === to ? '=' : '<='} ${bound(to)}`]),
        // 0 stands for "not known", which no number is like
        ...(column.zeroIsUnknown && (from ?? 0n) === 0n ? [`${name} != 0`] : []),
      ];
      return `(${bounds.join(' AND ')})`;
    }
    case 'address': {
      const [from, to] = [test.from, test.to].map((number) => parameters.bind(addressText(number), 'IPv6'));
      const inside = (value: string) => `(${value} >= ${from} AND ${value} <= ${to})`;
      return kindOf(column) === 'list' ? `arrayExists(one -> ${inside('one')}, ${name})` : inside(name);
    }
    case 'endpoint':
      // of the row itself, where that is an endpoint
      if (column.name === 'endpoint_id') return endpointHoldsSql(test, 't', parameters);
      return endpointHeldSql(test, name, time, asked, parameters);
    case 'service': {
      const { pattern, namespace = '*' } = test;
      const parts = [
        textMatches('t.service_namespace', namespace, false, parameters),
        textMatches(name, pattern, false, parameters),
      ];
      return `(${name} != '' AND ${parts.join(' AND ')})`;
    }
    case 'flow':
      return (
        `(t.boot_id = ${parameters.bind(test.boot, 'UUID')} AND t.socket_cookie = ${parameters.bind(test.cookie, 'UInt64')}` +
        ` AND t.generation = ${parameters.bind(test.generation, 'UInt64')})`
      );
  }
}

/**
 * Condition on table `t` that holds where all filters hold; `1` if there are none.
 * @param time the row's time: endpoints are tested as they were then
 */
export function filtersSql(filters: readonly Filter[], asked: Asked, parameters: Parameters, time = 't.time'): string {
  const either = (list: readonly Alternative[]) =>
    `(${list.map((alternative) => alternativeSql(alternative, time, asked, parameters)).join(' OR ')})`;
  const conditions = filters.flatMap(({ any, none }) => [
    ...(any.length === 0 ? [] : [either(any)]),
    ...(none.length === 0 ? [] : [`NOT ${either(none)}`]),
  ]);
  return conditions.length === 0 ? '1' : conditions.join(' AND ');
}
