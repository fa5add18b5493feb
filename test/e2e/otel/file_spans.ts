/** Spans as the OpenTelemetry Collector's file exporter writes them: OTLP in JSON, one request per line. */

type Value = { stringValue?: string; intValue?: string | number; boolValue?: boolean; doubleValue?: number };
type Pair = { key: string; value: Value };

interface RawSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly traceState?: string;
  readonly parentSpanId?: string;
  readonly flags?: number;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes?: Pair[];
  readonly events?: { timeUnixNano: string; name: string; attributes?: Pair[] }[];
  readonly status?: { code?: number; message?: string };
}

/** One span with its resource; values of attributes as text. */
export interface FileSpan extends Omit<RawSpan, 'attributes' | 'events'> {
  readonly resource: Readonly<Record<string, string>>;
  readonly scope: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly events: readonly {
    readonly timeUnixNano: string;
    readonly name: string;
    readonly attributes: Readonly<Record<string, string>>;
  }[];
}

function texts(pairs: readonly Pair[] = []): Record<string, string> {
  return Object.fromEntries(pairs.map(({ key, value }) => [key, String(Object.values(value)[0])]));
}

/** @param text of the file; a last line that is not whole yet is left out */
export function spansOf(text: string): FileSpan[] {
  type Line = {
    resourceSpans: {
      resource: { attributes?: Pair[] };
      scopeSpans: { scope: { name: string }; spans: RawSpan[] }[];
    }[];
  };
  const lines = text.slice(0, text.lastIndexOf('\n') + 1).split('\n');
  return lines.filter(Boolean).flatMap((line) =>
    (JSON.parse(line) as Line).resourceSpans.flatMap(({ resource, scopeSpans }) =>
      scopeSpans.flatMap(({ scope, spans }) =>
        spans.map((span) => ({
          ...span,
          resource: texts(resource.attributes),
          scope: scope.name,
          attributes: texts(span.attributes),
          events: (span.events ?? []).map((event) => ({ ...event, attributes: texts(event.attributes) })),
        })),
      ),
    ),
  );
}
