/** Requests that show a finding, and one line about each. */
import { durationText, printable, viaText } from '../observe_format.ts';
import { numberOf, type Row, type Sample, textOf } from './answers.ts';
import type { Example, Finding } from './finding.ts';

const MOST = 3;
const MAX_TARGET = 60;

/** Where the request's time went, as the phases of query-api/src/request_phases.ts have it. */
function phasesText(row: Row): string[] {
  const [sent, read, answered] = ['request_sent_ns', 'application_read_ns', 'response_start_ns'].map((name) =>
    numberOf(row, name),
  ) as [number, number, number];
  if (read === 0) return [];
  const queue = read > sent ? read - sent : read;
  const application = answered > Math.max(read, sent) ? answered - Math.max(read, sent) : 0;
  return [
    `${durationText(queue)} in the receive queue`,
    ...(application > 0 ? [`${durationText(application)} in the application`] : []),
  ];
}

function endText(row: Row): string {
  const status = textOf(row, 'status');
  if (status !== null) return status;
  const cause = row.close_cause === 'none' ? '' : `, ${row.close_cause} by ${row.closed_by}`;
  return `no answer${cause}`;
}

/** Segments of the request that either end sent again. */
export function retransmitsOf(row: Row): number {
  return numberOf(row, 'retransmitted_segments') + numberOf((row.other_side ?? {}) as Row, 'retransmitted_segments');
}

/** `12:34:09.627 GET shop/cart/7 503 after 703ms, 3ms in the receive queue`. */
function line(row: Row): string {
  const target = `${textOf(row, 'http_host') ?? ''}${textOf(row, 'http_path') ?? ''}`;
  const shown = target.length > MAX_TARGET ? `${target.slice(0, MAX_TARGET - 1)}…` : target;
  const again = retransmitsOf(row);
  const other = (row.other_side ?? {}) as Row;
  const atClient = other.observation_point === 'client' ? numberOf(other, 'duration_ns') : 0;
  const parts = [
    `${String(row.time).slice(11, 23)} ${row.operation} ${shown} ${endText(row)} after ${durationText(Math.max(numberOf(row, 'duration_ns'), atClient))}`,
    ...viaText(row),
    ...phasesText(row),
    ...(again > 0 ? [`${again} segment${again === 1 ? '' : 's'} sent again`] : []),
  ];
  return printable(parts.join(', '));
}

/** Whether the request belongs to the finding: a sample is asked for by less than what makes a cause. */
export function shows({ cause }: Pick<Finding, 'cause'>, row: Row): boolean {
  const [sent, read, answered, duration] = [
    ...['request_sent_ns', 'application_read_ns', 'response_start_ns', 'duration_ns'].map((name) =>
      numberOf(row, name),
    ),
  ] as [number, number, number, number];
  if (cause === 'packet_loss') return retransmitsOf(row) > 0;
  if (cause === 'reads_late') return 2 * (read > sent ? read - sent : read) > duration;
  if (cause === 'slow_application') return read !== 0 && 2 * (answered - Math.max(read, sent)) > duration;
  if (cause === 'client_abort') return row.closed_by === 'client' && answered === 0;
  return cause !== 'connection_refused';
}

/** The clearest examples of a finding: slow ones by time, others newest first. */
export function examplesOf(finding: Pick<Finding, 'cause'>, sample: Sample | undefined): Example[] {
  const rows = (sample?.requests ?? []).filter((row) => shows(finding, row));
  const slowest = ['reads_late', 'slow_application', 'packet_loss'].includes(finding.cause);
  const ordered = slowest ? rows.toSorted((a, b) => numberOf(b, 'duration_ns') - numberOf(a, 'duration_ns')) : rows;
  return ordered.slice(0, MOST).map((row) => ({ id: String(row.id), text: line(row) }));
}
