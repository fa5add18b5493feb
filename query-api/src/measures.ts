/** What can be told of a group of rows. Every measure counts a row as often as its sample_weight (or count) says. */
import type { Column } from '../../store/tables.ts';
import type { RowDefinition } from './definition.ts';
import { hasEnds } from './endpoint_names.ts';
import { isNumeric, kindOf } from './fields.ts';

/** One number about a group of rows of table `t`. */
export interface Measure {
  readonly name: string;
  /** SQL over `t`. `{seconds}` stands for the length of the time that the group covers. */
  readonly expression: string;
  /** 64-bit integers are JSON strings; ratios, rates and quantiles are numbers. */
  readonly json: 'string' | 'number';
  readonly doc: string;
}

const QUANTILES: Readonly<Record<string, string>> = {
  p50: '0.5',
  p75: '0.75',
  p90: '0.9',
  p95: '0.95',
  p99: '0.99',
  p999: '0.999',
};
const weightOf = ({ weight = 'sample_weight' }: RowDefinition) => `t.${weight}`;

/** RFC 3339 with nine digits. */
const instant = (time: string) => `concat(replaceOne(toString(${time}), ' ', 'T'), 'Z')`;

/** Functions of one column, by the word before the column's name. */
const FUNCTIONS = ['sum', 'avg', 'min', 'max', ...Object.keys(QUANTILES)];

const CONNECTIONS: Measure = {
  name: 'connections',
  expression: 'uniq(t.source_address, t.source_port, t.destination_address, t.destination_port, t.protocol)',
  json: 'string',
  doc: 'Number of different connections (addresses, ports, protocol); approximate above 65,536.',
};

function general(definition: RowDefinition): Measure[] {
  const weight = weightOf(definition);
  const measures: Measure[] = [
    { name: 'count', expression: `sum(${weight})`, json: 'string', doc: 'Number of rows, or of what they count.' },
    { name: 'rate_per_s', expression: `sum(${weight}) / {seconds}`, json: 'number', doc: 'count per second.' },
    ...(hasEnds(definition.table) ? [CONNECTIONS] : []),
    { name: 'first_time', expression: instant('min(t.time)'), json: 'string', doc: 'Time of the first row.' },
    { name: 'last_time', expression: instant('max(t.time)'), json: 'string', doc: 'Time of the last row.' },
  ];
  const { failure } = definition;
  if (failure !== undefined) {
    const errors = `sumIf(${weight}, ${failure})`;
    measures.push(
      { name: 'errors', expression: errors, json: 'string', doc: `Rows with ${failure.replaceAll('t.', '')}.` },
      {
        name: 'error_ratio',
        expression: `${errors} / sum(${weight})`,
        json: 'number',
        doc: 'errors per count, 0 to 1.',
      },
    );
  }
  return [...measures, ...(definition.measures ?? [])];
}

function ofColumn(word: string, column: Column, weight: string): Measure {
  const value = `t.${column.name}`;
  const known = column.zeroIsUnknown ? `${value} != 0` : '1';
  const wide = kindOf(column) === 'number64' ? 'string' : 'number';
  const unit = column.unit === undefined ? '' : ` Unit: ${column.unit}.`;
  const make = (expression: string, json: Measure['json'], words: string): Measure => ({
    name: `${word}_${column.name}`,
    expression,
    json,
    doc: `${words} of ${column.name}.${unit}`,
  });
  if (word === 'sum') return make(`sum(toUInt64(${value}) * ${weight})`, 'string', 'Sum');
  if (word === 'avg') {
    const sum = `sumIf(toFloat64(${value}) * ${weight}, ${known})`;
    return make(`${sum} / nullIf(sumIf(${weight}, ${known}), 0)`, 'number', 'Mean');
  }
  if (word === 'min' || word === 'max')
    return make(`${word}OrNullIf(${value}, ${known})`, wide, word === 'min' ? 'Least' : 'Most');
  const quantile = `quantileTDigestWeightedOrNullIf(${QUANTILES[word]})(${value}, ${weight}, ${known})`;
  return make(`toFloat64(${quantile})`, 'number', `Quantile ${QUANTILES[word]} (t-digest)`);
}

/** Columns that functions take; `count` is the sum of what says how many a row stands for. */
function numeric({ table, weight }: RowDefinition): Column[] {
  return table.columns.filter((one) => isNumeric(one) && one.name !== weight);
}

/** Measure with this name; undefined if there is none. */
export function measureOf(definition: RowDefinition, name: string): Measure | undefined {
  const plain = general(definition).find((measure) => measure.name === name);
  if (plain !== undefined) return plain;
  const word = FUNCTIONS.find((candidate) => name.startsWith(`${candidate}_`));
  if (word === undefined) return undefined;
  const column = numeric(definition).find((one) => one.name === name.slice(word.length + 1));
  return column === undefined ? undefined : ofColumn(word, column, weightOf(definition));
}

/** What measures there are, in words. */
export function measuresAllowed(definition: RowDefinition): string[] {
  const columns = numeric(definition).map((one) => one.name);
  return [
    ...general(definition).map((measure) => measure.name),
    `<function>_<column> with function one of ${FUNCTIONS.join(', ')} and column one of ${columns.join(', ')}`,
  ];
}
