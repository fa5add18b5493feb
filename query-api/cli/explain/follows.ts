/**
 * What follows from what: a gateway that answers 503 because the service behind it does, a request that is slow because
 * the next hop is. Told by time, on the host in the middle: while the request was with it, the other thing happened to
 * it as well.
 */
import { nanosecondsOf } from '../../../store/time.ts';
import { type Row, type Sample, textOf } from './answers.ts';
import { shows } from './examples.ts';
import type { Finding } from './finding.ts';
import { FOLLOWS_SHARE } from './thresholds.ts';

/** A time in ns since the epoch. */
interface Span {
  readonly from: bigint;
  readonly to: bigint;
}

/** Views of the two ends begin and end a little apart, and so do the two requests; clocks of two hosts differ. */
const TOLERANCE_NS = 5_000_000n;
const CLOCK_TOLERANCE_NS = 250_000_000n;

const spanOf = (row: Row): Span => {
  const to = nanosecondsOf(String(row.time));
  return { from: to - BigInt(String(row.duration_ns ?? 0)), to };
};

/** The request as the given end saw it; as the other did where only that was observed. */
function seenBy(end: 'client' | 'server', row: Row): { span: Span; exact: boolean; trace: string | null } {
  const other = (row.other_side ?? null) as Row | null;
  const trace = row.has_trace === true ? textOf(row, 'trace_id') : null;
  if (row.observation_point === end) return { span: spanOf(row), exact: true, trace };
  if (other?.observation_point === end) return { span: spanOf(other), exact: true, trace };
  return { span: spanOf(row), exact: false, trace };
}

/** Causes that show at a request further up. */
const CONSEQUENCES = new Set<Finding['cause']>(['server_error', 'slow_application', 'client_abort']);

const sameEnd = (a: Finding['edge']['source'], b: Finding['edge']['source']) =>
  a.endpoint_id !== null && a.endpoint_id === b.endpoint_id;

const within = (inner: Span, outer: Span, tolerance: bigint) =>
  inner.from >= outer.from - tolerance && inner.to <= outer.to + tolerance;

/** Requests that ended while the other sample was whole: for those before it is not known what happened. */
const whileWhole = (rows: readonly Row[], { cut_before }: Sample): Row[] =>
  cut_before === null ? [...rows] : rows.filter((row) => spanOf(row).to >= nanosecondsOf(cut_before));

/** Something that happened further down. */
interface Fact {
  readonly span: Span;
  readonly exact: boolean;
  readonly trace: string | null;
  /** Whether it has a length: a request has, an event has none. */
  readonly lasted: boolean;
}

const lengthOf = ({ from, to }: Span) => to - from;

/** Whether the fact can be why a request came out as the finding says. */
function explains(fact: Fact, span: Span, exact: boolean, trace: string | null, cause: Finding['cause']): boolean {
  if (trace !== null && fact.trace !== null && trace !== fact.trace) return false;
  if (!within(fact.span, span, exact && fact.exact ? TOLERANCE_NS : CLOCK_TOLERANCE_NS)) return false;
  // what makes a request slow takes most of its time
  return cause !== 'slow_application' || !fact.lasted || 2n * lengthOf(fact.span) > lengthOf(span);
}

/**
 * Share of the requests of `all`, at the host in the middle, during which a fact of `down` happened there. Each fact
 * explains one request at most: among many requests at once chance would find one for every other.
 */
function shareExplained(all: readonly Row[], cause: Finding['cause'], down: Sample, other: Finding): number {
  const up = whileWhole(all, down);
  if (up.length === 0) return 0;
  const requests = down.requests
    .filter((row) => shows(other, row))
    .map((row): Fact => ({ ...seenBy('client', row), lasted: true }));
  const events = down.events.map(
    (row): Fact => ({ span: spanOf({ time: row.time }), exact: true, trace: null, lasted: false }),
  );
  const left = new Set([...requests, ...events]);
  let explained = 0;
  for (const row of up) {
    const { span, exact, trace } = seenBy('server', row);
    const fact = [...left].find((one) => explains(one, span, exact, trace, cause));
    if (fact === undefined) continue;
    left.delete(fact);
    explained += 1;
  }
  return explained / up.length;
}

/** Share of the given-up requests of `down` that began and ended while one of `up` was given up. */
function shareGivenUpWith(all: readonly Row[], up: Sample): number {
  const down = whileWhole(all, up);
  if (down.length === 0) return 0;
  const causes = up.requests.map((row) => seenBy('server', row).span);
  const found = down.filter((row) => {
    const { span } = seenBy('client', row);
    return causes.some((one) => within(span, one, TOLERANCE_NS * 10n));
  });
  return found.length / down.length;
}

/**
 * Ids of the findings that explain this one.
 * @param samples by id of the finding; a finding without one explains nothing and is not explained
 */
export function followsFrom(
  finding: Finding,
  all: readonly Finding[],
  samples: Readonly<Record<string, Sample>>,
): string[] {
  const own = samples[finding.id];
  if (own === undefined || !CONSEQUENCES.has(finding.cause)) return [];
  const mine = own.requests.filter((row) => shows(finding, row));
  return all
    .filter((other) => {
      const sample = samples[other.id];
      if (other === finding || sample === undefined) return false;
      if (finding.cause === 'client_abort') {
        // giving up travels down: who waited for this host went away, so it goes away from the next
        if (other.cause !== 'client_abort' || !sameEnd(other.edge.destination, finding.edge.source)) return false;
        return shareGivenUpWith(mine, sample) >= FOLLOWS_SHARE;
      }
      if (!sameEnd(finding.edge.destination, other.edge.source)) return false;
      return shareExplained(mine, finding.cause, sample, other) >= FOLLOWS_SHARE;
    })
    .map((other) => other.id);
}
