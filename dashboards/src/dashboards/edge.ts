/** Edge page: everything about one client and one server. */
import type { Board, Section } from '../board.ts';
import { dashboardUrl, link, UIDS } from '../links.ts';
import { graph, heatmap, sqlGraph, sqlTable, stat } from '../panels.ts';
import { failedRequests, slowestRequests } from '../queries/clickhouse/requests.sql.ts';
import { eventsOverTime, latestEvents } from '../queries/clickhouse/tcp_events.sql.ts';
import { phaseMeans } from '../queries/phases.ts';
import * as ask from '../queries/prometheus.ts';
import { CHOSEN_EDGE, edgeVariables, NOW } from '../variables.ts';
import { COMPLETENESS } from './completeness.ts';
import { NETWORK } from './edge_network.ts';
import { EVENT_TABLE, REQUEST_TABLE } from './shared.ts';
import { requestsAndFailures } from './traffic_panels.ts';

const by = (...labels: string[]) => ({ edges: CHOSEN_EDGE, by: labels });
const TOTAL = by();
const RANKS = [0.5, 0.9, 0.99];

const summary: Section = {
  title: '$source_workload → $destination_workload',
  rows: [
    {
      height: 4,
      panels: [
        ...requestsAndFailures(TOTAL),
        stat({ title: 'Mean duration', description: 'Mean duration of a request.' }, 's', {
          expr: ask.durationMean(NOW, TOTAL),
        }),
        stat(
          { title: 'Retransmits', description: 'Share of TCP segments that had to be sent again, of both ends.' },
          'percentunit',
          { expr: ask.retransmitRatio(NOW, TOTAL) },
        ),
        stat({ title: 'Failed connects', description: 'Share of connects that came to nothing.' }, 'percentunit', {
          expr: ask.connectFailureRatio(NOW, TOTAL),
        }),
        stat(
          {
            title: 'Cannot be seen',
            description:
              'Share of connection intervals whose requests cannot be seen (TLS, HTTP/2, other protocols). At 100 % the panels about requests are empty however many there are.',
          },
          'percentunit',
          { expr: ask.opaqueRatio(NOW, TOTAL) },
        ),
      ],
    },
  ],
};

const requests: Section = {
  title: 'Requests',
  rows: [
    {
      height: 8,
      panels: [
        graph(
          { title: 'Requests by outcome', description: 'Requests per second, each once, by how they went.' },
          'reqps',
          [{ expr: ask.requests(NOW, by('outcome')), legend: '{{outcome}}' }],
          { stacked: true },
        ),
        graph(
          {
            title: 'Requests by status',
            description: 'Requests per second by HTTP status; without a response there is none.',
          },
          'reqps',
          [{ expr: ask.requests(NOW, by('http_status_code')), legend: '{{http_status_code}}' }],
          { stacked: true },
        ),
        graph(
          {
            title: 'Failures over time',
            description: 'Share of requests that the server answered with 5xx, and that failed in any way.',
          },
          'percentunit',
          [
            { expr: ask.serverErrorRatio(NOW, TOTAL), legend: '5xx' },
            { expr: ask.failureRatio(NOW, TOTAL), legend: '5xx or no response' },
          ],
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
              'Quantiles of the requests’ duration. The marks are single requests: a click leads to the trace.',
          },
          's',
          RANKS.map((rank) => ({
            expr: ask.durationQuantile(rank, NOW, TOTAL),
            legend: `p${rank * 100}`,
            exemplars: rank === 0.99,
          })),
        ),
        heatmap(
          { title: 'Durations', description: 'Requests per second by duration: two bands are two kinds of requests.' },
          's',
          { expr: ask.durationBuckets(NOW, TOTAL) },
        ),
        graph(
          {
            title: 'Phases of a request',
            description:
              'Mean time in each phase: receive (first to last byte of the request), queue (until the application read it), application (until the first byte of the response), send (to its last byte), wait (what cannot be told apart at the end that was observed).',
          },
          's',
          [{ expr: phaseMeans(NOW, TOTAL), legend: '{{phase}}' }],
          { stacked: true },
        ),
      ],
    },
  ],
};

const evidence: Section = {
  title: 'Evidence',
  rows: [
    {
      height: 10,
      panels: [
        sqlTable(
          {
            title: 'Slowest requests',
            description:
              'The requests that took longest, with what the kernels of both ends saw of their connection meanwhile. A click on a URL opens the request.',
            emptyWhen: 'requests of this edge cannot be seen',
          },
          slowestRequests(),
          REQUEST_TABLE,
        ),
      ],
    },
    {
      height: 10,
      panels: [
        sqlTable(
          {
            title: 'Latest failed requests',
            description: 'Requests answered with 5xx, not at all, or refused, the latest first.',
            emptyWhen: 'no request failed',
          },
          failedRequests(),
          REQUEST_TABLE,
        ),
      ],
    },
    {
      height: 9,
      panels: [
        sqlGraph(
          {
            title: 'TCP events',
            description: 'Rows of tcp_events per interval by kind, as both ends saw them.',
            emptyWhen: 'nothing went wrong on a connection',
          },
          'short',
          eventsOverTime(),
          { stacked: true },
        ),
        sqlTable(
          {
            title: 'Latest TCP events',
            description:
              'What went wrong on connections of this edge, each as the end saw it that is named, the latest first.',
            emptyWhen: 'nothing went wrong on a connection',
          },
          latestEvents(),
          EVENT_TABLE,
        ),
      ],
    },
  ],
};

/** One client and one server. */
export const EDGE: Board = {
  uid: UIDS.edge,
  title: 'Flowspan / Edge',
  description:
    'One client and one server: requests, latency and its phases, retransmits, RTT, resets, and the requests behind them.',
  variables: edgeVariables('one'),
  links: [link('Overview', dashboardUrl(UIDS.overview)), link('Service map', dashboardUrl(UIDS.serviceMap))],
  sections: [summary, requests, NETWORK, evidence, COMPLETENESS],
};
