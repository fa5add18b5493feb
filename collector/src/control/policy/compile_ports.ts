/** The decisions on all traffic between two ends, as prefixes of protocol and port: the longest that matches counts. */
import { type Decision, decide, type Matched, rangesOf } from './judge.ts';
import type { Labels } from './selector.ts';

const PORT_BITS = 16;
const PORTS = 2 ** PORT_BITS;
/** A protocol that no rule names a port of. */
const OTHER = 0;

/** Without protocol it is every protocol that has no entry of its own. */
export interface PortPrefix<Value> {
  readonly protocol: number | undefined;
  /** Its bits behind `length` are 0. */
  readonly port: number;
  /** How many of the port's first bits count, 0 to 16. */
  readonly length: number;
  readonly value: Value;
}

interface Interval<Value> {
  readonly from: number;
  /** The first port behind it. */
  readonly end: number;
  readonly value: Value;
}

/** Fewest prefixes of ports that make up a range. @param end the first port behind it */
export function prefixesOf(from: number, end: number): readonly { readonly port: number; readonly length: number }[] {
  const prefixes = [];
  for (let port = from, size = 1; port < end; port += size) {
    size = 1;
    while (port % (size * 2) === 0 && port + size * 2 <= end) size *= 2;
    prefixes.push({ port, length: PORT_BITS - Math.log2(size) });
  }
  return prefixes;
}

/** Where decisions on a protocol's ports may change. */
function boundsOf(
  { admin, deny, allow, baseline }: Matched,
  destination: Labels,
): ReadonlyMap<number, readonly number[]> {
  const bounds = new Map<number, Set<number>>();
  for (const { rule } of [...admin, ...deny, ...allow, ...baseline])
    for (const match of rule.ports ?? [])
      for (const { protocol, from, to } of rangesOf(match, destination)) {
        const known = bounds.get(protocol) ?? new Set([0]);
        bounds.set(protocol, known.add(from).add(to + 1));
      }
  return new Map(Array.from(bounds, ([protocol, ports]) => [protocol, [...ports].sort((a, b) => a - b)]));
}

/** All ports of a protocol in as few intervals as there are decisions. */
function intervalsOf<Value>(bounds: readonly number[], valueAt: (port: number) => Value): readonly Interval<Value>[] {
  const intervals: Interval<Value>[] = [];
  for (const [index, from] of bounds.entries()) {
    if (from === PORTS) continue;
    const [value, end] = [valueAt(from), bounds[index + 1] ?? PORTS];
    const before = intervals.at(-1);
    if (before?.value === value) intervals[intervals.length - 1] = { ...before, end };
    else intervals.push({ from, end, value });
  }
  return intervals;
}

/** The value whose intervals would take the most prefixes: it is the protocol's, the others are exceptions to it. */
function mostCostly<Value>(intervals: readonly Interval<Value>[]): Value {
  const costs = new Map<Value, number>();
  for (const { from, end, value } of intervals)
    costs.set(value, (costs.get(value) ?? 0) + prefixesOf(from, end).length);
  return [...costs].reduce((most, one) => (one[1] > most[1] ? one : most))[0];
}

/**
 * @param numberOf a value for each decision, the same for the same
 * @param destination label set that gives ports their names
 */
export function compilePorts<Value>(
  rules: Matched,
  destination: Labels,
  numberOf: (decision: Decision) => Value,
): readonly PortPrefix<Value>[] {
  const valueAt = (protocol: number) => (port: number) => numberOf(decide(rules, { protocol, port }, destination));
  const prefixes: PortPrefix<Value>[] = [{ protocol: undefined, port: 0, length: 0, value: valueAt(OTHER)(0) }];
  for (const [protocol, bounds] of boundsOf(rules, destination)) {
    const intervals = intervalsOf(bounds, valueAt(protocol));
    const usual = mostCostly(intervals);
    prefixes.push({ protocol, port: 0, length: 0, value: usual });
    for (const { from, end, value } of intervals)
      if (value !== usual) prefixes.push(...prefixesOf(from, end).map((prefix) => ({ protocol, ...prefix, value })));
  }
  return prefixes;
}
