/** The filters of each table: one per column, and the short names that people ask by. */
import { type Column, column, type Table } from '../../../store/tables.ts';
import { DURATION_ALLOWED, parseDuration } from '../time.ts';
import type { Alternative, FilterParameter } from './filter.ts';
import {
  ADDRESS_READER,
  numberReader,
  PROTOCOL_READER,
  readerOf,
  STATUS_READER,
  textReader,
  type ValueReader,
} from './values.ts';

function fromReader(name: string, doc: string, columns: readonly Column[], reader: ValueReader): FilterParameter {
  return {
    name,
    doc,
    columns,
    splits: reader.splits,
    allowed: reader.allowed,
    parse: (text) => {
      const test = reader.read(text);
      return test === undefined ? undefined : columns.map((one) => ({ column: one, test }));
    },
  };
}

/** One filter per column that can be compared. */
function ownParameters(table: Table): FilterParameter[] {
  return table.columns.flatMap((own) => {
    const reader = own.name === 'protocol' ? PROTOCOL_READER : readerOf(own);
    return reader === undefined ? [] : [fromReader(own.name, own.doc, [own], reader)];
  });
}

/** Filters by address and port of either end. */
export function eitherEndParameters(table: Table): FilterParameter[] {
  const addresses = [column(table, 'source_address'), column(table, 'destination_address')];
  const ports = [column(table, 'source_port'), column(table, 'destination_port')];
  return [
    fromReader('address', 'Address of either end.', addresses, ADDRESS_READER),
    fromReader('port', 'Port of either end.', ports, numberReader(ports[0]!)),
    flowIdParameter(table),
  ];
}

/** One connection at one end: `<boot_id>.<socket_cookie>.<generation>`. */
function flowIdParameter(table: Table): FilterParameter {
  const boot = column(table, 'boot_id');
  return {
    name: 'flow_id',
    doc: 'One connection as one end saw it.',
    columns: [boot],
    splits: false,
    allowed: 'a flow_id of an answer',
    parse: (text) => {
      const match = /^([0-9a-f-]{36})\.(\d{1,20})\.(\d{1,10})$/i.exec(text);
      if (match === null) return undefined;
      return [
        {
          column: boot,
          test: { kind: 'flow', boot: match[1]!, cookie: BigInt(match[2]!), generation: BigInt(match[3]!) },
        },
      ];
    },
  };
}

/** Least and most of a length of time. */
export function durationParameters(table: Table, name: string): FilterParameter[] {
  const own = column(table, name);
  const scale = own.unit === 'us' ? 1_000n : 1n;
  const bound = (parameter: string, words: string, side: 'from' | 'to'): FilterParameter => ({
    name: parameter,
    doc: `${words} ${name}: ${own.doc}`,
    columns: [own],
    splits: false,
    allowed: DURATION_ALLOWED,
    parse: (text) => {
      const length = parseDuration(text);
      return length === undefined ? undefined : [{ column: own, test: { kind: 'between', [side]: length / scale } }];
    },
  });
  return [bound('min_duration', 'Least', 'from'), bound('max_duration', 'Most', 'to')];
}

/** A short name for one column, or for whichever of several columns takes the value. */
export function aliasParameter(table: Table, name: string, columnNames: readonly string[]): FilterParameter {
  const columns = columnNames.map((one) => column(table, one));
  const own = columns.map((one) => ({ column: one, reader: readerOf(one)! }));
  return {
    name,
    doc: columns.map((one) => `${one.name}: ${one.doc}`).join(' Or '),
    columns,
    splits: own.every(({ reader }) => reader.splits),
    allowed: own.map(({ reader }) => reader.allowed).join('; or '),
    parse: (text) => {
      const found = own.flatMap(({ column: one, reader }): Alternative[] => {
        const test = reader.read(text);
        return test === undefined ? [] : [{ column: one, test }];
      });
      return found.length === 0 ? undefined : found;
    },
  };
}

/** HTTP method in any case. */
export function methodParameter(table: Table, name = 'operation'): FilterParameter {
  const own = column(table, name);
  return fromReader('method', own.doc, [own], textReader(true, true));
}

/** Status of an HTTP answer. */
export function statusParameter(table: Table): FilterParameter {
  const own = column(table, 'http_status_code');
  return fromReader('status', own.doc, [own], STATUS_READER);
}

/** Hubble's words for what policies said. */
const HUBBLE_VERDICTS: Readonly<Record<string, readonly string[]>> = {
  forwarded: ['allowed', 'no_policy'],
  dropped: ['denied'],
  audit: ['audited'],
};

/** What policies said, in the table's words or Hubble's. */
export function policyVerdictParameter(table: Table): FilterParameter {
  const own = column(table, 'policy_verdict');
  const reader = readerOf(own)!;
  const parse = (text: string): Alternative[] | undefined => {
    const tests = (HUBBLE_VERDICTS[text.toLowerCase()] ?? [text]).map((word) => reader.read(word));
    return tests.every((test) => test !== undefined) ? tests.map((test) => ({ column: own, test })) : undefined;
  };
  const allowed = `${reader.allowed}; or FORWARDED (allowed, no_policy), DROPPED (denied), AUDIT (audited)`;
  return { name: 'verdict', doc: own.doc, columns: [own], splits: true, allowed, parse };
}

/** All filters of a table: short names win over columns of the same name. */
export function allParameters(table: Table, named: readonly FilterParameter[]): ReadonlyMap<string, FilterParameter> {
  return new Map([...ownParameters(table), ...named].map((parameter) => [parameter.name, parameter]));
}
