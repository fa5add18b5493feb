/** Values that manifests of several kinds have in common. */
import type { Field } from './field.ts';
import { PROTOCOLS } from './model.ts';
import { covers, type Prefix, readPrefix } from './prefix.ts';
import type { Requirement } from './selector.ts';

/** Most of each, of what a manifest may name. */
export const MOST = { rules: 256, peers: 256, ports: 100, values: 256, labels: 64, except: 256, http: 64 } as const;

const NAME = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/;
const LABEL_VALUE = /^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/;
export const LABEL_KEY = /^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const PORT_NAME = /^(?=.*[a-z])(?!.*--)[a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?$/;

/** Highest port. */
export const PORTS = 65_535;

/** Name of an object or a namespace. */
export function nameOf(field: Field): string {
  return field.text(253, NAME);
}

/** Name of a container's port: a service name of IANA's. */
export function portName(field: Field): string {
  return field.text(15, PORT_NAME);
}

/** Number of a protocol. */
export function protocolOf(field: Field): number {
  return PROTOCOLS[field.oneOf(['TCP', 'UDP', 'SCTP'])];
}

export function prefixOf(field: Field): Prefix {
  const prefix = readPrefix(field.text(64));
  return prefix ?? field.refuse('BadNetwork', 'it is no network', 'write it as 10.0.0.0/8 or fd00::/8');
}

/** Parts of a network, which must lie in it. */
export function exceptOf(field: Field, network: Prefix): readonly Prefix[] {
  return field.list(MOST.except).map((item) => {
    const part = prefixOf(item);
    if (!covers(network, part)) item.refuse('BadNetwork', 'it is not part of the network', 'name a part of it');
    return part;
  });
}

/** What a kind of manifest takes a label's key for. @returns the key in a security identity's label set */
export type KeyReader = (key: string, field: Field) => string;

function labelValue(field: Field): string {
  // An empty value is a value like any other.
  return field.isMissing ? field.text(63) : (field.optionalText(63) ?? '');
}

function checked(value: string, field: Field): string {
  return LABEL_VALUE.test(value) ? value : field.refuse('BadSelector', 'it is no value of a label', 'correct it');
}

function requirementOf(field: Field, keyOf: KeyReader): Requirement {
  field.hasOnly('key', 'operator', 'values');
  const key = keyOf(field.at('key').text(400), field.at('key'));
  const operator = field.at('operator').oneOf(['In', 'NotIn', 'Exists', 'DoesNotExist']);
  const values = field.at('values').list(MOST.values);
  const takesValues = operator === 'In' || operator === 'NotIn';
  if (takesValues !== values.length > 0)
    field.refuse('BadSelector', `${operator} takes ${takesValues ? 'values' : 'no values'}`, 'correct the expression');
  return { key, operator, values: values.map((value) => checked(labelValue(value), value)) };
}

/** A label selector; what is missing or empty selects all. */
export function selectorOf(field: Field, keyOf: KeyReader): readonly Requirement[] {
  field.hasOnly('matchLabels', 'matchExpressions');
  const labels = field.at('matchLabels');
  const keys = labels.keys();
  if (keys.length > MOST.labels) labels.refuse('TooMany', `more than ${MOST.labels} labels`, 'name fewer');
  const equal = keys.map((key) => {
    const value = labels.at(key);
    return { key: keyOf(key, labels), operator: 'In' as const, values: [checked(labelValue(value), value)] };
  });
  const expressions = field.at('matchExpressions').list(MOST.labels);
  return [...equal, ...expressions.map((expression) => requirementOf(expression, keyOf))];
}
