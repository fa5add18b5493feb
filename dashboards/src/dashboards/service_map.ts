/** Service map: who talks to whom, as a graph. */
import type { Board } from '../board.ts';
import { dashboardUrl, edgeUrl, link, serverUrl, UIDS } from '../links.ts';
import { graph, nodeGraph, promTable, sqlTable } from '../panels.ts';
import { edges, mapEdges, mapNodes } from '../queries/clickhouse/edges.sql.ts';
import * as services from '../queries/service_graph.ts';
import { edgeVariables, NOW } from '../variables.ts';
import { COMPLETENESS } from './completeness.ts';
import { EDGE_TABLE } from './shared.ts';

const RANGE = '$__range';
const LEGEND = '{{client}} → {{server}}';

const details = Object.fromEntries(
  Object.entries(EDGE_TABLE).map(([name, { unit, shown }]) => [
    `detail__${name}`,
    { ...(unit === undefined ? {} : { unit }), shown: shown ?? name },
  ]),
);

/** Fields of a node that name its workload. */
const NODE = { cluster: 'detail__cluster', destination_namespace: 'subtitle', destination_workload: 'title' };

/** The map. */
export const SERVICE_MAP: Board = {
  uid: UIDS.serviceMap,
  title: 'Flowspan / Service map',
  description:
    'Who talks to whom: a node for each workload, an edge for each client and server, with rate, failures and retransmits.',
  variables: edgeVariables('several'),
  links: [link('Overview', dashboardUrl(UIDS.overview))],
  sections: [
    {
      title: 'Map',
      rows: [
        {
          height: 20,
          panels: [
            nodeGraph(
              {
                title: 'Services',
                description:
                  'Rate and share of failed requests at each node and edge. The ring of a node is red for its share of failed requests and gray where no request was seen; an edge is red above 1 % failures, orange above 1 % retransmits. A click on an edge leads to its page.',
              },
              { nodes: mapNodes(), edges: mapEdges() },
              { node: ['reqps', 'percentunit'], edge: ['reqps', 'percentunit'] },
              [
                { field: 'arc__failed', color: 'red' },
                { field: 'arc__answered', color: 'green' },
                { field: 'arc__no_requests', color: 'gray' },
              ],
              {
                ...details,
                title: { link: { title: 'What it answers', url: serverUrl(NODE) } },
                source: { link: { title: 'Open the edge', url: edgeUrl((label) => `detail__${label}`) } },
              },
            ),
          ],
        },
        {
          height: 12,
          panels: [
            sqlTable(
              { title: 'Edges', description: 'The same edges as a table. A click on a name opens the edge.' },
              edges(),
              EDGE_TABLE,
            ),
          ],
        },
      ],
    },
    {
      title: 'Service graph as Prometheus has it',
      rows: [
        {
          height: 8,
          panels: [
            graph(
              {
                title: 'Requests',
                description:
                  'Requests per second of the ten busiest pairs, from the service-graph family that Grafana’s service graph view reads as well.',
              },
              'reqps',
              [{ expr: services.busiest(10, NOW), legend: LEGEND }],
            ),
            graph(
              {
                title: 'Failed requests',
                description: 'Failed requests per second of the ten worst pairs.',
                emptyWhen: 'no request failed',
              },
              'reqps',
              [{ expr: services.mostFailed(10, NOW), legend: LEGEND }],
            ),
          ],
        },
        {
          height: 8,
          panels: [
            promTable(
              {
                title: 'Pairs',
                description: 'Rate, failures, and the 95th percentile of the duration as server and client saw it.',
              },
              [
                { expr: services.requests(RANGE), name: 'requests' },
                { expr: services.failureRatio(RANGE), name: 'failures' },
                { expr: services.serverSeconds(0.95, RANGE), name: 'p95 at the server' },
                { expr: services.clientSeconds(0.95, RANGE), name: 'p95 at the client' },
              ],
              {
                requests: { unit: 'reqps' },
                failures: { unit: 'percentunit', warnAt: [0.01, 0.05] },
                'p95 at the server': { unit: 's' },
                'p95 at the client': { unit: 's' },
              },
            ),
          ],
        },
      ],
    },
    COMPLETENESS,
  ],
};
