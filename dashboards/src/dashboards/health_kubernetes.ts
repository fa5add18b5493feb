/** What collectors know from the Kubernetes API server, how fresh it is, and what it costs that server. */
import type { Section } from '../board.ts';
import { graph } from '../panels.ts';
import * as own from '../queries/own.ts';
import { quantiles, rates } from './health_lines.ts';

const WITHOUT = 'no collector asks a Kubernetes API server';
const RESOURCE = '{{resource}}';

export const KUBERNETES: Section = {
  title: 'Kubernetes',
  rows: [
    {
      height: 8,
      panels: [
        graph(
          {
            title: 'Known objects',
            description: 'Objects by resource: the most that any collector knows. All should know the same.',
            emptyWhen: WITHOUT,
          },
          'short',
          [{ expr: own.highest('flowspan_kubernetes_objects', ['resource']), legend: RESOURCE }],
        ),
        graph(
          {
            title: 'Since the API server was heard',
            description:
              'Seconds by resource, of the collector that waits longest. An idle resource is heard of each minute; more means that names are stale.',
            emptyWhen: WITHOUT,
          },
          's',
          [
            {
              expr: own.oldest('flowspan_kubernetes_last_event_timestamp_seconds', ['resource']),
              legend: RESOURCE,
            },
          ],
        ),
        graph(
          {
            title: 'Not synced',
            description: 'Collectors by resource that have not had a full list yet.',
            emptyWhen: WITHOUT,
          },
          'short',
          [{ expr: own.lacking('flowspan_kubernetes_synced', ['resource']), legend: RESOURCE }],
        ),
        graph(
          {
            title: 'Asked of the API server',
            description: 'Requests per second by resource, and full lists beyond the first: those cost it most.',
            emptyWhen: WITHOUT,
          },
          'reqps',
          [
            rates('flowspan_kubernetes_requests_total', ['resource'], `requests: ${RESOURCE}`),
            rates('flowspan_kubernetes_relists_total', ['resource'], `lists: ${RESOURCE}`),
          ],
        ),
        graph(
          {
            title: 'Received from the API server',
            description: 'Bytes per second by resource, of all collectors.',
            emptyWhen: WITHOUT,
          },
          'Bps',
          [rates('flowspan_kubernetes_received_bytes_total', ['resource'], RESOURCE)],
        ),
        graph(
          {
            title: 'Addresses told late',
            description:
              'Seconds from when a pod surely had its address until the row that says so was written, by the collector of its node. Rows about that address are resolved late by so much, and edges of their minutes are built again.',
            emptyWhen: WITHOUT,
          },
          's',
          quantiles('flowspan_kubernetes_address_told_late_seconds', [], ''),
        ),
        graph(
          {
            title: 'Rows about addresses',
            description: 'Rows per second that say which address a pod had, and when: some two per pod and address.',
            emptyWhen: WITHOUT,
          },
          'short',
          [rates('flowspan_kubernetes_address_rows_total', [], 'rows')],
        ),
      ],
    },
  ],
};
