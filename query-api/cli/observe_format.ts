/** Rows as lines for people, or as JSON for programs. */
import { MARKS } from '../../store/loss_reasons.ts';
import type { Completeness } from '../src/completeness.ts';
import type { LiveFrame, ObservedRow } from './observe_client.ts';
import type { Output } from './observe_flags.ts';

type Row = Readonly<Record<string, unknown>>;
type Colour = 'red' | 'green' | 'yellow' | 'cyan' | 'grey';

const CODES: Record<Colour, number> = { red: 31, green: 32, yellow: 33, cyan: 36, grey: 90 };

/** Text from the network must not steer the terminal. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is taken out
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, '\ufffd');
}

const shown = (value: unknown): string => (value === null || value === undefined ? '?' : printable(String(value)));

/** A length of time with three digits that count: 5.03ms. */
export function durationText(ns: unknown): string {
  if (ns === null || ns === undefined) return '?';
  let value = Number(ns);
  for (const unit of ['ns', 'us', 'ms']) {
    if (value < 1000) return `${Number(value.toPrecision(3))}${unit}`;
    value /= 1000;
  }
  return `${Number(value.toPrecision(value < 1000 ? 3 : 6))}s`;
}

/** A number of bytes: 1.5MB. */
export function bytesText(bytes: unknown): string {
  if (bytes === null || bytes === undefined) return '?';
  let value = Number(bytes);
  for (const unit of ['B', 'kB', 'MB', 'GB']) {
    if (value < 1000) return `${Number(value.toPrecision(3))}${unit}`;
    value /= 1000;
  }
  return `${Number(value.toPrecision(3))}TB`;
}

function endText(row: Row, end: 'source' | 'destination'): string {
  const name = row[`${end}_workload`] ?? row[`${end}_name`];
  const namespace = row[`${end}_namespace`];
  const address = String(row[`${end}_address`]);
  const who = name === null || name === undefined ? (address.includes(':') ? `[${address}]` : address) : String(name);
  return `${printable(namespace ? `${namespace}/${who}` : who)}:${row[`${end}_port`]}`;
}

/** `via svc/<namespace>/<name>` where a service was dialled. */
export function viaText(row: Row): string[] {
  if (row.service_name === null || row.service_name === undefined) return [];
  return [printable(`via svc/${row.service_namespace ?? ''}/${row.service_name}`)];
}

/** Which backend of a service was chosen and why, and whose rule decided; nothing where nothing was decided here. */
export function decisionText(row: Row): string[] {
  const { lb_reason: reason, lb_mode: mode, lb_slot: slot, lb_candidates: candidates, policy_name: policy } = row;
  const isChosen = reason !== undefined && reason !== null && reason !== 'none';
  const place = Number(slot) < 0 ? '' : ` slot ${shown(slot)}`;
  const rule = Number(row.rule_index ?? -1) < 0 ? '' : ` rule ${shown(row.rule_index)}`;
  const namespace = row.policy_namespace ? `${shown(row.policy_namespace)}/` : '';
  return [
    ...(isChosen ? [`lb=${shown(reason)}${place} of ${candidates ?? 0}${mode === 'audit' ? ' (audit)' : ''}`] : []),
    ...(policy ? [`policy=${shown(row.policy_kind)} ${namespace}${shown(policy)}${rule}`] : []),
  ];
}

/** `label=value` of numbers that are not zero. */
function counts(row: Row, names: Readonly<Record<string, string>>): string[] {
  return Object.entries(names)
    .filter(([name]) => Number(row[name] ?? 0) > 0)
    .map(([name, label]) => `${label}=${name.endsWith('_ns') ? durationText(row[name]) : row[name]}`);
}

const TROUBLE = {
  retransmitted_segments: 'retransmits',
  timeouts: 'timeouts',
  tail_loss_probes: 'probes',
  zero_window_ns: 'zero-window',
} as const;

interface Line {
  readonly kind: string;
  readonly colour: Colour;
  readonly parts: readonly string[];
}

/** Longest URL in a line, in characters. */
const MAX_URL = 100;

const OUTCOME_COLOURS: Readonly<Record<string, Colour>> = { ok: 'green', client_error: 'yellow', unknown: 'grey' };

/** Host, path and query of a request, as long as a line bears. */
function urlText(row: Row): string {
  const query = row.http_query === null || row.http_query === undefined ? '' : `?${shown(row.http_query)}`;
  const url = `${row.http_host === null ? '' : shown(row.http_host)}${shown(row.http_path)}${query}`;
  return url.length > MAX_URL ? `${url.slice(0, MAX_URL - 1)}…` : url;
}

function requestLine(row: Row): Line {
  const other = row.other_side as Row | null | undefined;
  const closed = row.close_cause === 'none' ? [] : [`closed=${shown(row.close_cause)} by ${shown(row.closed_by)}`];
  return {
    kind: 'request',
    colour: OUTCOME_COLOURS[String(row.outcome)] ?? 'red',
    parts: [
      `${shown(row.operation)} ${urlText(row)} ${row.status === null ? shown(row.outcome) : shown(row.status)}`,
      durationText(row.duration_ns),
      ...counts(row, TROUBLE),
      ...(other ? counts(other, TROUBLE).map((text) => `${shown(other.observation_point)}-${text}`) : []),
      ...closed,
    ],
  };
}

const protocolText = ({ protocol }: Row) => (protocol === 6 ? 'TCP' : protocol === 17 ? 'UDP' : `IP ${protocol}`);

function flowLine(row: Row): Line {
  const state =
    row.flow_state === 'closed' ? `closed ${shown(row.close_cause)} by ${shown(row.closed_by)}` : shown(row.flow_state);
  const bad =
    row.verdict === 'DROPPED' ||
    ['reset', 'timeout', 'refused', 'unreachable', 'aborted'].includes(String(row.close_cause));
  return {
    kind: 'flow',
    colour: bad ? 'red' : 'cyan',
    parts: [
      `${protocolText(row)} ${state} ${shown(row.verdict)} (${shown(row.application_protocol)}, ${shown(row.observation_point)})`,
      ...decisionText(row),
      `sent=${bytesText(row.bytes_sent)} received=${bytesText(row.bytes_received)}`,
      ...(row.srtt_us === null || row.srtt_us === undefined ? [] : [`rtt=${durationText(Number(row.srtt_us) * 1000)}`]),
      ...counts(row, { retransmitted_segments: 'retransmits', timeouts: 'timeouts', zero_windows: 'zero-windows' }),
    ],
  };
}

function eventLine(row: Row): Line {
  const cause = row.retransmit_cause === 'none' ? (row.drop_reason ?? row.reset_reason) : row.retransmit_cause;
  const sender = row.sent_by === 'none' ? [] : [`by ${shown(row.sent_by)}`];
  return {
    kind: 'event',
    colour: 'yellow',
    parts: [
      [shown(row.event_kind), ...(cause === null || cause === undefined ? [] : [shown(cause)]), ...sender].join(' '),
      ...counts(row, { segments: 'segments', latency_ns: 'latency', error_number: 'errno' }),
      ...(row.srtt_us === null || row.srtt_us === undefined ? [] : [`rtt=${durationText(Number(row.srtt_us) * 1000)}`]),
    ],
  };
}

const VERDICT_COLOURS: Readonly<Record<string, Colour>> = { denied: 'red', audited: 'yellow', allowed: 'green' };

/** The request that was judged; nothing of connections and datagrams. */
function judgedText(row: Row): string[] {
  if (!row.http_judged) return [];
  return [
    `${shown(row.http_method)} ${urlText(row)}`,
    ...(row.http_reason ? [`unjudged=${shown(row.http_reason)}`] : []),
  ];
}

function verdictLine(row: Row): Line {
  const verdict = String(row.policy_verdict);
  // a rule is named with its policy; without one, why it was so
  const reason = row.policy_reason && row.policy_reason !== 'rule' ? [`reason=${shown(row.policy_reason)}`] : [];
  return {
    kind: 'verdict',
    colour: VERDICT_COLOURS[verdict] ?? 'grey',
    parts: [
      `${protocolText(row)} ${shown(row.traffic_direction)} ${shown(verdict).toUpperCase()}`,
      ...decisionText(row),
      ...reason,
      ...judgedText(row),
      `count=${shown(row.count)}`,
    ],
  };
}

/** A verdict with the ends of its sample named as those of a flow are. */
function withEnds(row: Row): Row {
  const [own, other] = row.traffic_direction === 'egress' ? ['source', 'destination'] : ['destination', 'source'];
  return {
    ...row,
    ...{ [`${own}_namespace`]: row.namespace, [`${own}_workload`]: row.workload },
    ...{ [`${other}_namespace`]: row.peer_namespace, [`${other}_workload`]: row.peer_workload },
  };
}

const LINES = { flow: flowLine, request: requestLine, tcp_event: eventLine, verdict: verdictLine } as const;
const TABLE_HEAD = ['TIME', 'KIND', 'SOURCE', 'DESTINATION', 'WHAT'] as const;
const WIDTHS = [18, 7, 30, 30];

/** Shows rows in one form. */
export class Formatter {
  readonly #output: Output;
  readonly #colour: boolean;

  constructor(output: Output, colour: boolean) {
    this.#output = output;
    this.#colour = colour;
  }

  /** What comes before the first row. */
  head(): string[] {
    return this.#output === 'table' ? [this.#columns([...TABLE_HEAD])] : [];
  }

  /** One row as a line. */
  row({ type, row }: ObservedRow): string {
    if (this.#output === 'json') return JSON.stringify({ type, row });
    const { kind, colour, parts } = LINES[type](row);
    const time = String(row.time);
    const ends = type === 'verdict' ? withEnds(row) : row;
    const [source, destination] = [endText(ends, 'source'), endText(ends, 'destination')];
    if (this.#output === 'table') {
      return this.#columns([
        time.slice(11, 29),
        kind,
        source,
        destination,
        this.#paint([...viaText(row), ...parts].join(' '), colour),
      ]);
    }
    const stamp = this.#paint(`${time.slice(0, 10)} ${time.slice(11, 23)}`, 'grey');
    const between = [`${source} -> ${destination}`, ...viaText(row)].join(' ');
    return `${stamp} ${between} ${this.#paint(parts[0] ?? '', colour)} ${parts.slice(1).join(' ')}`.trimEnd();
  }

  /** What is no row; undefined if nothing needs to be said. For people it belongs on standard error. */
  note(frame: Exclude<LiveFrame, ObservedRow>): string | undefined {
    if (this.#output === 'json') return JSON.stringify(frame);
    if (frame.type === 'lost') return `${frame.count} rows were left out (${printable(frame.reason)})`;
    if (frame.type === 'unreachable')
      return `no live feed from ${printable(frame.collector)}: ${printable(frame.reason)}`;
    return incompleteness(frame.completeness);
  }

  #columns(cells: readonly string[]): string {
    return cells
      .map((cell, index) => fitted(cell, WIDTHS[index]))
      .join('  ')
      .trimEnd();
  }

  #paint(text: string, colour: Colour): string {
    return this.#colour ? `\u001b[${CODES[colour]}m${text}\u001b[0m` : text;
  }
}

function fitted(text: string, width: number | undefined): string {
  if (width === undefined) return text;
  return text.length > width ? `${text.slice(0, width - 1)}…` : text.padEnd(width);
}

/**
 * What is missing from an answer, in words; undefined if nothing is but what is still on its way.
 * @param from what was missing before this is not told; RFC 3339 with nine digits
 */
export function incompleteness(
  { lost, shed = [], unobserved, sampled, expired_before }: Completeness,
  from = '',
): string | undefined {
  const parts = [
    ...lost
      .filter(({ to }) => to > from)
      .map(({ kind, node, reason, count }) =>
        MARKS[reason] === undefined
          ? `${count ?? 'an unknown number of'} ${kind} records lost on ${node} (${reason})`
          : `${node} ${MARKS[reason]} (${reason})`,
      ),
    ...shed
      .filter(({ to }) => to > from)
      .map(
        ({ kind, node, reason, count }) =>
          `${count ?? 'an unknown number of'} ${kind} records without rows of their own on ${node} (${reason})`,
      ),
    ...unobserved
      .filter(({ to }) => to > from)
      .slice(0, 5)
      .map(({ node, from, to }) =>
        `${node ?? 'no node'} unobserved from ${from} to ${to}`.replace('no node unobserved', 'nothing observed'),
      ),
    ...(sampled ? ['rows are samples'] : []),
    ...(expired_before === null || expired_before <= from ? [] : [`rows before ${expired_before} have expired`]),
  ];
  return parts.length === 0 ? undefined : printable(`incomplete: ${parts.join('; ')}`);
}
