/** Overview: the golden signals of all services, and beside them the health of the network they stand on. */
import type { Board, Section } from '../board.ts';
import { dashboardUrl, edgeOfSeriesUrl, link, UIDS } from '../links.ts';
import { graph, sqlTable, stat } from '../panels.ts';
import { edges } from '../queries/clickhouse/edges.sql.ts';
import * as ask from '../queries/prometheus.ts';
import { sumRate } from '../queries/promql.ts';
import { CHOSEN_EDGES, edgeVariables, NOW } from '../variables.ts';
import { COMPLETENESS } from './completeness.ts';
import { ALERTS } from './overview_alerts.ts';
import { EDGE_TABLE, NO_FAILED_CONNECTS, NOTHING_RESET, NOTHING_WAITED } from './shared.ts';
import { droppedByReason, requestsAndFailures } from './traffic_panels.ts';

const TOTAL = { edges: CHOSEN_EDGES, by: [] };
const EDGE = { edges: CHOSEN_EDGES };
const by = (...labels: string[]) => ({ edges: CHOSEN_EDGES, by: labels });
const SERVER = by('destination_namespace', 'destination_workload');
const EDGE_LEGEND = '{{source_workload}} → {{destination_workload}}';
const SERVER_LEGEND = '{{destination_workload}}';
const TO_EDGE = {
  title: 'Open the edge',
  url: edgeOfSeriesUrl(),
};
const top = (expression: string) => `topk(10, ${expression})`;

const summary: Section = {
  title: 'Now',
  rows: [
    {
      height: 4,
      panels: [
        ...requestsAndFailures(TOTAL),
        stat({ title: 'p99', description: 'Duration that 99 of 100 requests stay under.' }, 's', {
          expr: ask.durationQuantile(0.99, NOW, TOTAL),
        }),
        stat({ title: 'Retransmits', description: 'Share of TCP segments that had to be sent again.' }, 'percentunit', {
          expr: ask.retransmitRatio(NOW, TOTAL),
        }),
        stat(
          { title: 'RTT p90', description: 'Round trip time that 90 of 100 connection intervals stay under.' },
          's',
          { expr: ask.rttQuantile(0.9, NOW, TOTAL) },
        ),
        stat(
          {
            title: 'Cannot be seen',
            description:
              'Share of connections whose requests cannot be seen (TLS, HTTP/2, other protocols). Figures about requests do not speak of them.',
          },
          'percentunit',
          { expr: ask.opaqueRatio(NOW, TOTAL) },
        ),
        stat(
          {
            title: 'Lost by Flowspan',
            description:
              'Records per second that Flowspan failed to record. Anything but 0: the figures here are too low.',
            emptyWhen: 'nothing was ever lost',
          },
          'cps',
          { expr: sumRate('flowspan_collector_lost_records_total', NOW) },
          { title: 'Collector health', url: dashboardUrl(UIDS.health) },
        ),
      ],
    },
    {
      height: 6,
      panels: ALERTS,
    },
  ],
};

const signals: Section = {
  title: 'Golden signals (left) and network health (right)',
  rows: [
    {
      height: 8,
      panels: [
        graph(
          {
            title: 'Requests by outcome',
            description: 'Requests per second: ok, client_error (4xx), server_error (5xx), no_response, refused.',
          },
          'reqps',
          [{ expr: ask.requests(NOW, by('outcome')), legend: '{{outcome}}' }],
          { stacked: true },
        ),
        graph(
          {
            title: 'Retransmitted segments, worst edges',
            description:
              'Share of TCP segments sent again, of both ends, for the ten worst edges. Above 1 % requests feel it.',
          },
          'percentunit',
          [{ expr: top(ask.retransmitRatio(NOW, EDGE)), legend: EDGE_LEGEND }],
          { seriesLink: TO_EDGE },
        ),
      ],
    },
    {
      height: 8,
      panels: [
        graph(
          {
            title: 'Failures by server, worst',
            description: 'Share of requests answered with 5xx or not at all, for the ten worst servers.',
          },
          'percentunit',
          [{ expr: top(ask.failureRatio(NOW, SERVER)), legend: SERVER_LEGEND }],
        ),
        graph(
          {
            title: 'Round trip time',
            description: 'Quantiles of the smoothed TCP round trip time over all connections.',
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
            title: 'Latency',
            description:
              'Quantiles of the requests’ duration, first byte of the request to last byte of the response. The marks are single requests with a trace.',
          },
          's',
          [0.5, 0.9, 0.99].map((rank) => ({
            expr: ask.durationQuantile(rank, NOW, TOTAL),
            legend: `p${rank * 100}`,
            exemplars: rank === 0.99,
          })),
        ),
        graph(
          {
            title: 'Resets by sender',
            description: 'TCP resets per second: connections that were torn down instead of closed.',
            emptyWhen: NOTHING_RESET,
          },
          'cps',
          [{ expr: ask.resets(NOW, by('sent_by')), legend: 'sent by {{sent_by}}' }],
        ),
      ],
    },
    {
      height: 8,
      panels: [
        graph(
          {
            title: 'p99 by server, slowest',
            description: 'Duration that 99 of 100 requests stay under, for the ten slowest servers.',
          },
          's',
          [{ expr: top(ask.durationQuantile(0.99, NOW, SERVER)), legend: SERVER_LEGEND }],
        ),
        graph(
          {
            title: 'Failed connects by error',
            description: 'Connects per second that came to nothing, by errno as the client’s kernel gave it.',
            emptyWhen: NO_FAILED_CONNECTS,
          },
          'cps',
          [{ expr: ask.connectsFailed(NOW, by('error')), legend: '{{error}}' }],
        ),
      ],
    },
    {
      height: 8,
      panels: [
        graph(
          {
            title: 'Server errors, worst edges',
            description: 'Requests per second answered with 5xx, for the ten worst edges.',
            emptyWhen: 'no server answered with an error',
          },
          'reqps',
          [{ expr: top(ask.serverErrors(NOW, EDGE)), legend: EDGE_LEGEND }],
          { seriesLink: TO_EDGE },
        ),
        droppedByReason(by('reason')),
      ],
    },
    {
      height: 8,
      panels: [
        graph(
          { title: 'Traffic', description: 'TCP payload per second by who sent it, each byte once.' },
          'binBps',
          [{ expr: ask.bytes(NOW, by('sent_by')), legend: 'sent by {{sent_by}}' }],
          { stacked: true },
        ),
        graph(
          {
            title: 'Receivers that could not follow',
            description:
              'Closed receive windows announced, and packets of handshakes dropped by full accept queues, per second.',
            emptyWhen: NOTHING_WAITED,
          },
          'pps',
          [
            { expr: ask.zeroWindows(NOW, by('sent_by')), legend: 'window closed by {{sent_by}}' },
            { expr: ask.acceptQueueOverflows(NOW, TOTAL), legend: 'accept queue full' },
          ],
        ),
      ],
    },
    {
      height: 8,
      panels: [
        graph(
          {
            title: 'UDP traffic',
            description: 'UDP payload per second by who sent it.',
            emptyWhen: 'there was no UDP',
          },
          'binBps',
          [{ expr: ask.udpBytes(NOW, by('sent_by')), legend: 'sent by {{sent_by}}' }],
          { stacked: true },
        ),
        graph(
          {
            title: 'UDP datagrams',
            description: 'UDP datagrams per second by who sent them.',
            emptyWhen: 'there was no UDP',
          },
          'pps',
          [{ expr: ask.udpDatagrams(NOW, by('sent_by')), legend: 'sent by {{sent_by}}' }],
          { stacked: true },
        ),
      ],
    },
  ],
};

/** Overview of everything. */
export const OVERVIEW: Board = {
  uid: UIDS.overview,
  title: 'Flowspan / Overview',
  description:
    'Rate, errors and duration of requests beside the health of the network under them, for the chosen edges.',
  variables: edgeVariables('several'),
  sections: [
    summary,
    signals,
    {
      title: 'Edges',
      rows: [
        {
          height: 12,
          panels: [
            sqlTable(
              {
                title: 'Busiest edges',
                description:
                  'Clients and servers of the whole time range, each request once, in whole minutes. A click on a name opens the edge.',
                links: [link('Service map', dashboardUrl(UIDS.serviceMap))],
              },
              edges(),
              EDGE_TABLE,
            ),
          ],
        },
      ],
    },
    COMPLETENESS,
  ],
};
