/** The sender of one table: what becomes of a segment when ClickHouse has answered, or has not. */
import { segmentToken } from './clickhouse.ts';
import type { DeliveryOptions } from './delivery.ts';
import { ExactlyOnce } from './exactly_once.ts';
import type { Removals } from './removals.ts';
import { SegmentSpans } from './segment_spans.ts';
import { type Answer, type Attempt, Sender, type SenderOptions, type Waiting } from './sender.ts';
import type { SpoolBudget } from './spool_budget.ts';
import type { SpoolDisk } from './spool_disk.ts';

const DAMAGED = 'rows in the spool are damaged: lost; look for errors of the disk of data_dir in the kernel log';

/** Where segments wait. */
export interface Spool {
  readonly budget: SpoolBudget;
  readonly disk: SpoolDisk;
  readonly removals: Removals;
}

/** What senders of several tables have to do with each other. */
export type Ways = Pick<SenderOptions, 'mayGo' | 'backlogLanes' | 'recovered'> & {
  /** Told of each segment that is done with, and whether rows of it were lost. */
  readonly ended: (waiting: Waiting, isLost: boolean) => void;
};

/** Makes the sender of one table. */
export function openSender(options: DeliveryOptions, { budget, removals }: Spool, { ended, ...ways }: Ways): Sender {
  const { node, log, stored, lost, sent } = options;
  const once = new ExactlyOnce(options);
  const spans = options.spans === undefined ? undefined : new SegmentSpans(options.spans);
  return new Sender({
    ...ways,
    withdrawn: (waiting) => ended(waiting, true),
    async post(waiting, signal) {
      const { segment } = waiting;
      await segment.check();
      // All of it is damaged: there is nothing to send.
      if (segment.rows === 0) return 'stored';
      const beganMs = performance.now();
      let answer: Attempt = 'failed';
      try {
        answer = await once.attempt(waiting, signal, spans?.attempt(segment, segmentToken(node, segment), signal));
        return answer;
      } finally {
        if (!signal.aborted) sent?.(segment.table, segment.rows, beganMs, answer);
      }
    },
    async finished(waiting: Waiting, answer: Answer) {
      const { segment } = waiting;
      spans?.finished(segment, answer);
      const { name, table, rows, damaged, begunMs, endedMs } = segment;
      if (answer === 'stored') stored(table, rows);
      else {
        lost(table, rows, 'row_refused', begunMs, endedMs);
        log.error(
          { table, segment: name, rows, code: 'FLOW_DELIVER_REFUSED' },
          'ClickHouse cannot read these rows: lost',
        );
      }
      if (damaged > 0) {
        lost(table, damaged, 'row_spool_damaged', begunMs, endedMs);
        log.error({ table, segment: name, rows: damaged, code: 'FLOW_DELIVER_DAMAGED' }, DAMAGED);
      }
      await removals.remove(segment);
      budget.release(segment.place, segment.bytes);
      ended(waiting, answer !== 'stored' || damaged > 0);
    },
    failed(segment, error, retryInMs) {
      spans?.failed(segment, error, retryInMs);
      const { table, name } = segment;
      const { code } = error as { code?: unknown };
      const ours = code === 'FLOW_DELIVER_WINDOW' ? code : 'FLOW_DELIVER_SEND';
      log.warn({ err: error, table, segment: name, retry_in_ms: retryInMs, code: ours }, 'cannot send');
    },
  });
}
