/** What the store says of the same requests: rows, and the view otel_traces. */
import type { Flowspan } from '../../support/flowspan.ts';
import type { FileSpan } from './file_spans.ts';

/** A row of otel_traces. */
export interface ViewSpan {
  readonly TraceId: string;
  readonly SpanId: string;
  readonly ParentSpanId: string;
  readonly SpanName: string;
  readonly SpanKind: 'Server' | 'Client';
  readonly StatusCode: 'Unset' | 'Error';
  readonly ScopeName: string;
  readonly start_ns: string;
  readonly Duration: string;
  readonly ResourceAttributes: Readonly<Record<string, string>>;
  readonly SpanAttributes: Readonly<Record<string, string>>;
  readonly events: readonly (readonly [string, string])[];
}

/** What a span has and the view has not, with the reason. */
export const ONLY_IN_SPANS = {
  resource: {
    'telemetry.distro.version': 'the version of the collector that sent it; rows do not keep it',
  },
  events: {
    retransmit: 'each is a row of tcp_events: a join per span would make opening a trace a scan',
    reset_sent: 'as retransmit',
    reset_received: 'as retransmit',
  },
} as const;

/** Spans by trace and span id, in the words of the view. */
export type SpanFacts = Readonly<Record<string, Record<string, string>>>;

const KINDS: Readonly<Record<number, string>> = { 2: 'Server', 3: 'Client' };

/** All facts of one span, flat: what is compared. */
export function factsOfFile(spans: readonly FileSpan[]): SpanFacts {
  return Object.fromEntries(
    spans.map((span) => [
      `${span.traceId}/${span.spanId}`,
      {
        parent: span.parentSpanId ?? '',
        name: span.name,
        kind: KINDS[span.kind] ?? String(span.kind),
        status: span.status?.code === 2 ? 'Error' : 'Unset',
        message: span.status?.message ?? '',
        scope: span.scope,
        start: span.startTimeUnixNano,
        duration: String(BigInt(span.endTimeUnixNano) - BigInt(span.startTimeUnixNano)),
        ...prefixed('resource', span.resource, ONLY_IN_SPANS.resource),
        ...prefixed('attribute', span.attributes, {}),
        moments: momentsText(
          span.events.filter(({ name }) => !(name in ONLY_IN_SPANS.events)).map((e) => [e.name, e.timeUnixNano]),
        ),
      },
    ]),
  );
}

/** The same facts of the view's rows. */
export function factsOfView(rows: readonly ViewSpan[]): SpanFacts {
  return Object.fromEntries(
    rows.map((row) => [
      `${row.TraceId}/${row.SpanId}`,
      {
        parent: row.ParentSpanId,
        name: row.SpanName,
        kind: row.SpanKind,
        status: row.StatusCode,
        message: '',
        scope: row.ScopeName,
        start: row.start_ns,
        duration: row.Duration,
        ...prefixed('resource', row.ResourceAttributes, {}),
        ...prefixed('attribute', row.SpanAttributes, {}),
        moments: momentsText(row.events),
      },
    ]),
  );
}

function prefixed(prefix: string, values: Readonly<Record<string, string>>, without: object): Record<string, string> {
  const kept = Object.entries(values).filter(([name]) => !(name in without));
  return Object.fromEntries(kept.map(([name, value]) => [`${prefix} ${name}`, value]));
}

const momentsText = (moments: readonly (readonly [string, string])[]) =>
  moments
    .map(([name, at]) => `${at} ${name}`)
    .toSorted()
    .join(', ');

/** Spans of otel_traces whose requests were, or were not, sent. */
export function viewSpans(flowspan: Flowspan, sent: boolean): Promise<ViewSpan[]> {
  return flowspan.query<ViewSpan>(`
    SELECT TraceId, SpanId, ParentSpanId, SpanName, SpanKind, StatusCode, ScopeName,
      toString(toUnixTimestamp64Nano(Timestamp)) AS start_ns, toString(Duration) AS Duration,
      ResourceAttributes, SpanAttributes,
      arrayMap((n, t) -> (n, toString(toUnixTimestamp64Nano(t))), Events.Name, Events.Timestamp) AS events
    FROM otel_traces WHERE mapContains(SpanAttributes, 'flowspan.sampling.decision') = ${sent ? 1 : 0}`);
}

/** Differences, at most `most` of them, as lines. */
export function differencesOf(file: SpanFacts, view: SpanFacts, most = 20): string[] {
  const lines: string[] = [];
  for (const id of new Set([...Object.keys(file), ...Object.keys(view)])) {
    const [left, right] = [file[id], view[id]];
    if (left === undefined || right === undefined) {
      lines.push(`${id} only in ${left === undefined ? 'view' : 'file'}: ${JSON.stringify(left ?? right)}`);
      continue;
    }
    for (const name of new Set([...Object.keys(left), ...Object.keys(right)])) {
      if (left[name] !== right[name]) lines.push(`${id} ${name}: span ${left[name]}, view ${right[name]}`);
    }
  }
  return lines.slice(0, most);
}
