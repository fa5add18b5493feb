/** Edge page: what TCP says about the edge. */
import type { Section } from '../board.ts';
import { graph } from '../panels.ts';
import * as ask from '../queries/prometheus.ts';
import { CHOSEN_EDGE, NOW } from '../variables.ts';
import { NO_FAILED_CONNECTS, NOTHING_RESET, NOTHING_WAITED } from './shared.ts';
import { droppedByReason } from './traffic_panels.ts';

const by = (...labels: string[]) => ({ edges: CHOSEN_EDGE, by: labels });
const TOTAL = by();

/** Retransmits, round trips, resets, connects, drops and bytes. */
export const NETWORK: Section = {
  title: 'Network',
  rows: [
    {
      height: 8,
      panels: [
        graph(
          {
            title: 'Retransmitted segments by cause',
            description:
              'Segments per second sent again: fast (the receiver told), timeout (nobody told: 200 ms and more), tail_loss_probe, and handshakes (syn, syn_ack).',
          },
          'pps',
          [{ expr: ask.retransmittedSegments(NOW, by('cause')), legend: '{{cause}}' }],
          { stacked: true },
        ),
        graph(
          {
            title: 'Retransmit ratio by sender',
            description: 'Share of each end’s segments that had to be sent again.',
          },
          'percentunit',
          [{ expr: ask.retransmitRatio(NOW, by('sent_by')), legend: 'sent by {{sent_by}}' }],
        ),
        graph(
          {
            title: 'Round trip time',
            description: 'Quantiles of the smoothed TCP round trip time of the connections.',
          },
          's',
          [0.5, 0.9, 0.99].map((rank) => ({ expr: ask.rttQuantile(rank, NOW, TOTAL), legend: `p${rank * 100}` })),
        ),
      ],
    },
    {
      height: 8,
      panels: [
        graph(
          {
            title: 'Resets by sender',
            description:
              'Resets per second: by the client mostly requests given up, by the server mostly refused or crashed.',
            emptyWhen: NOTHING_RESET,
          },
          'cps',
          [{ expr: ask.resets(NOW, by('sent_by')), legend: 'sent by {{sent_by}}' }],
        ),
        graph(
          {
            title: 'Failed connects by error',
            description:
              'Connects per second that came to nothing: ECONNREFUSED (nobody listens), ETIMEDOUT (no answer).',
            emptyWhen: NO_FAILED_CONNECTS,
          },
          'cps',
          [{ expr: ask.connectsFailed(NOW, by('error')), legend: '{{error}}' }],
        ),
        graph(
          {
            title: 'Connections',
            description: 'Connections opened per second, and closed by cause.',
          },
          'cps',
          [
            { expr: ask.connectionsOpened(NOW, TOTAL), legend: 'opened' },
            { expr: ask.connectionsClosed(NOW, by('close_cause')), legend: 'closed: {{close_cause}}' },
          ],
        ),
      ],
    },
    {
      height: 8,
      panels: [
        droppedByReason(by('reason')),
        graph(
          {
            title: 'Receivers that could not follow',
            description:
              'Closed receive windows per second by who closed, and packets of handshakes that a full accept queue dropped.',
            emptyWhen: NOTHING_WAITED,
          },
          'pps',
          [
            { expr: ask.zeroWindows(NOW, by('sent_by')), legend: 'window closed by {{sent_by}}' },
            { expr: ask.acceptQueueOverflows(NOW, TOTAL), legend: 'accept queue full' },
          ],
        ),
        graph(
          { title: 'Traffic', description: 'TCP payload per second by who sent it, each byte once.' },
          'binBps',
          [{ expr: ask.bytes(NOW, by('sent_by')), legend: 'sent by {{sent_by}}' }],
          { stacked: true },
        ),
      ],
    },
    {
      height: 8,
      panels: [
        graph(
          {
            title: 'Segments',
            description: 'TCP segments sent per second by each observed end, acknowledgements included.',
          },
          'pps',
          [{ expr: ask.segments(NOW, by('sent_by')), legend: 'sent by {{sent_by}}' }],
        ),
        graph(
          { title: 'Opaque connections', description: 'Share of connection intervals whose requests cannot be seen.' },
          'percentunit',
          [{ expr: ask.opaqueRatio(NOW, TOTAL), legend: 'opaque' }],
        ),
      ],
    },
  ],
};
