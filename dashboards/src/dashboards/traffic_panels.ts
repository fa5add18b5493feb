/** Panels that the overview shows of all edges and the edge page of one. */
import { graph, stat } from '../panels.ts';
import * as ask from '../queries/prometheus.ts';
import type { Selection } from '../queries/promql.ts';
import { NOW } from '../variables.ts';
import { NOTHING_DROPPED } from './shared.ts';

/** Rate and failures, in one number each. */
export const requestsAndFailures = (total: Selection) => [
  stat({ title: 'Requests', description: 'HTTP requests per second, each once.' }, 'reqps', {
    expr: ask.requests(NOW, total),
  }),
  stat({ title: 'Failures', description: 'Share of requests answered with 5xx or not at all.' }, 'percentunit', {
    expr: ask.failureRatio(NOW, total),
  }),
];

/** @param byReason selection whose answer has the label `reason` */
export const droppedByReason = (byReason: Selection) =>
  graph(
    {
      title: 'Dropped packets by reason',
      description: 'Packets per second that a kernel dropped, by its name for the reason.',
      emptyWhen: NOTHING_DROPPED,
    },
    'pps',
    [{ expr: ask.drops(NOW, byReason), legend: '{{reason}}' }],
  );
