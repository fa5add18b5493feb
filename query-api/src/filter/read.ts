/** Reads the filters of a question. */
import { badValue } from '../errors.ts';
import type { Alternative, Filter, FilterParameter } from './filter.ts';

/** Most values of one parameter: they travel to the store in a URL. */
const MAX_VALUES = 100;

const behindMark = (value: string) => (value.startsWith('!') ? value.slice(1) : undefined);

/**
 * One filter from the values of one parameter. Several values mean any of them; a value behind `!` must not hold.
 * @throws QueryError FLOW_QUERY_BAD_VALUE
 */
export function readFilter(parameter: FilterParameter, given: readonly string[]): Filter {
  const values = parameter.splits ? given.flatMap((one) => one.split(',')) : given;
  if (values.length > MAX_VALUES) {
    throw badValue(parameter.name, `${values.length} values`, `at most ${MAX_VALUES} values`);
  }
  const any: Alternative[] = [];
  const none: Alternative[] = [];
  for (const value of values) {
    const excluded = (parameter.excluded ?? behindMark)(value);
    const alternatives = parameter.parse(excluded ?? value);
    if (alternatives === undefined) throw badValue(parameter.name, value, parameter.allowed);
    (excluded === undefined ? any : none).push(...alternatives);
  }
  return { parameter: parameter.name, any, none };
}
