/** Pieces of PromQL over Flowspan's families: selectors, sums by edge, and the choice between the two observers. */

/** Labels that name an edge, on every edge family alike. The source is always the client. */
export const EDGE_LABELS = [
  'cluster',
  'source_namespace',
  'source_workload',
  'destination_namespace',
  'destination_workload',
] as const;

/** PromQL duration such as `5m`, or a variable of Grafana such as `$__rate_interval`. */
export type Window = string;

/** Which edges are asked for, and how the answer is grouped. */
export interface Selection {
  /** Label matchers without braces that choose edges, such as `cluster="a",source_workload=~"$source"`. Default: all. */
  readonly edges?: string;
  /**
   * Labels of the answer. Default: EDGE_LABELS. May add labels of the family (`outcome`, `sent_by`) or leave out labels
   * of the edge; what is left out is summed after the observer has been chosen edge by edge.
   */
  readonly by?: readonly string[];
}

const byEdge = EDGE_LABELS.join(', ');

/** `name{a,b}` of the matchers that are not empty; the bare name without any. */
export function selector(name: string, ...matchers: readonly (string | undefined)[]): string {
  const given = matchers.filter((matcher) => matcher !== undefined && matcher !== '');
  return given.length === 0 ? name : `${name}{${given.join(',')}}`;
}

/** Sum of the per-second rates of a counter, by labels. */
export function sumRate(counter: string, window: Window, by: readonly string[] = []): string {
  return `sum by (${by.join(', ')}) (rate(${counter}[${window}]))`;
}

/** How much a counter has grown within the window, summed by labels. */
export function sumIncrease(counter: string, window: Window, by: readonly string[] = []): string {
  return `sum by (${by.join(', ')}) (increase(${counter}[${window}]))`;
}

function labelsOf({ by = EDGE_LABELS }: Selection): { wanted: readonly string[]; inner: string[]; outer: boolean } {
  const further = by.filter((label) => !(EDGE_LABELS as readonly string[]).includes(label));
  return {
    wanted: by,
    inner: [...EDGE_LABELS, ...further],
    outer: EDGE_LABELS.some((label) => !by.includes(label)),
  };
}

/**
 * Per-second rate of a fact that both ends of an edge may have counted: the server's count, and the client's for edges
 * where the server's end counted nothing of the family in the window. Never both.
 * @param facts matchers on labels of the family, such as `outcome="server_error"`. The observer is chosen before them:
 *   an edge whose server saw no error has none, whatever the client's series say.
 */
export function rateOfObserver(family: string, window: Window, selection: Selection = {}, facts = ''): string {
  return ofObserver(sumRate, family, window, selection, facts);
}

/** As rateOfObserver, but how often it happened within the window. */
export function countOfObserver(family: string, window: Window, selection: Selection = {}, facts = ''): string {
  return ofObserver(sumIncrease, family, window, selection, facts);
}

function ofObserver(sum: typeof sumRate, family: string, window: Window, selection: Selection, facts: string): string {
  const { wanted, inner, outer } = labelsOf(selection);
  const at = (end: string, more: string) => selector(family, `observation_point="${end}"`, more, selection.edges);
  const server = sum(at('server', facts), window, inner);
  const client = sum(at('client', facts), window, inner);
  const observed = sum(at('server', ''), window, EDGE_LABELS);
  const chosen =
    facts === ''
      ? `${server} or on (${byEdge}) ${client}`
      : `${server} or on (${byEdge}) (${client} unless on (${byEdge}) ${observed})`;
  return outer ? `sum by (${wanted.join(', ')}) (${chosen})` : `(${chosen})`;
}

/**
 * Per-second rate of a fact that both ends usually count, and sometimes only one of them: what the end says that counts
 * more. A firewall resets the client alone; that the server's count stands at 0 does not speak against it.
 * @param within labels by which the ends are compared, beside the edge's and those of the answer
 * @param expression makes the rate from the labels to group by, which contain `observation_point`
 */
export function rateOfEither(
  selection: Selection,
  within: readonly string[],
  expression: (by: readonly string[]) => string,
): string {
  const { wanted, inner } = labelsOf(selection);
  const compared = [...new Set([...inner, ...within])];
  const most = `max by (${compared.join(', ')}) (${expression([...compared, 'observation_point'])})`;
  return compared.every((label) => wanted.includes(label)) ? most : `sum by (${wanted.join(', ')}) (${most})`;
}

/**
 * Per-second rate of a fact that each end counts for itself alone (segments sent, retransmits, drops, connects that
 * failed, accept queues that overflowed), or of its peer alone (windows closed): the sum of both ends, as far as they
 * are observed.
 */
export function rateOfEnds(family: string, window: Window, selection: Selection = {}, facts = ''): string {
  return sumRate(selector(family, facts, selection.edges), window, labelsOf(selection).wanted);
}

/** As rateOfEnds, but how often it happened within the window. */
export function countOfEnds(family: string, window: Window, selection: Selection = {}): string {
  return sumIncrease(selector(family, selection.edges), window, labelsOf(selection).wanted);
}

/**
 * Quotient of two rates that have the same labels; 0 where there is no numerator, nothing where the denominator is 0
 * or missing: what nobody asked for has no ratio.
 */
export function ratio(numerator: string, denominator: string): string {
  return `(${numerator} or ${denominator} * 0) / (${denominator} > 0)`;
}

/** Share of two things that exclude each other: `part / (part + rest)`; nothing where there is no part. */
export function shareOfBoth(part: string, rest: string): string {
  return `${part} / ((${part} + ${rest} or ${part}) > 0)`;
}

/**
 * Quantile of a histogram, from the rates of its buckets; nothing where nothing was counted (Prometheus says NaN there).
 * `buckets` must have the label `le`.
 */
export function quantile(rank: number, buckets: string): string {
  return `(histogram_quantile(${rank}, ${buckets}) >= 0)`;
}
