/** What the store, the query API and the processes themselves do. */
import type { Section } from '../board.ts';
import { graph, promTable } from '../panels.ts';
import * as own from '../queries/own.ts';
import { INSTANCE, NOW, quantiles, rates } from './health_lines.ts';

/** The embedded store. */
export const STORE: Section = {
  title: 'Store',
  rows: [
    {
      height: 8,
      panels: [
        graph(
          {
            title: 'Size by table',
            description:
              'Bytes on disk by table of the embedded store; the byte budget is where the oldest partitions go.',
          },
          'bytes',
          [
            { expr: own.gauge('flowspan_store_table_bytes', ['table']), legend: '{{table}}' },
            { expr: `${own.gauge('flowspan_store_byte_budget_bytes')} > 0`, legend: 'byte budget' },
          ],
        ),
        graph({ title: 'Rows by table', description: 'Rows by table of the embedded store.' }, 'short', [
          { expr: own.gauge('flowspan_store_table_rows', ['table']), legend: '{{table}}' },
        ]),
        graph({ title: 'Inserted rows', description: 'Rows per second that the store took, by table.' }, 'cps', [
          rates('flowspan_store_inserted_rows_total', ['table'], '{{table}}'),
        ]),
      ],
    },
    {
      height: 8,
      panels: [
        graph(
          {
            title: 'Inserts and queries',
            description: 'Inserts per second by result, and queries by account and result.',
          },
          'reqps',
          [
            rates('flowspan_store_inserts_total', ['result'], 'insert: {{result}}'),
            rates('flowspan_store_queries_total', ['account', 'result'], 'query by {{account}}: {{result}}'),
          ],
        ),
        graph(
          { title: 'Query time', description: 'Quantiles of the time that the store takes for a query.' },
          's',
          quantiles('flowspan_store_query_seconds', [], ''),
        ),
        graph(
          {
            title: 'Expired partitions',
            description:
              'Partitions per second that the byte budget deleted: the time they covered is gone, and answers say so.',
          },
          'cps',
          [rates('flowspan_store_expired_partitions_total', [], 'expired')],
        ),
      ],
    },
  ],
};

/** Who asks. */
export const QUERY_API: Section = {
  title: 'Query API',
  rows: [
    {
      height: 8,
      panels: [
        graph({ title: 'Requests', description: 'Requests per second by route and status.' }, 'reqps', [
          rates('flowspan_query_api_requests_total', ['route', 'status'], '{{route}} {{status}}'),
        ]),
        graph(
          { title: 'Time by route', description: 'The 99th percentile of the time that an answer takes, by route.' },
          's',
          [{ expr: own.quantileOf(0.99, 'flowspan_query_api_request_seconds', NOW, ['route']), legend: '{{route}}' }],
        ),
        graph(
          {
            title: 'Time in the store',
            description: 'Quantiles of the time that the store takes for a query of the API.',
          },
          's',
          quantiles('flowspan_query_api_store_query_seconds', [], ''),
        ),
        graph({ title: 'In progress', description: 'Requests that are being answered.' }, 'short', [
          { expr: own.gauge('flowspan_query_api_requests_in_progress', ['instance']), legend: INSTANCE },
        ]),
      ],
    },
  ],
};

/** What it all costs. */
export const PROCESSES: Section = {
  title: 'Processes',
  rows: [
    {
      height: 8,
      panels: [
        graph(
          {
            title: 'Processor',
            description: 'Processor time per second of each of Flowspan’s processes: 1 is one core.',
          },
          's',
          [rates('process_cpu_seconds_total', ['job', 'instance'], '{{job}} {{instance}}')],
        ),
        graph({ title: 'Memory', description: 'Resident memory of each of Flowspan’s processes.' }, 'bytes', [
          { expr: own.gauge('process_resident_memory_bytes', ['job', 'instance']), legend: '{{job}} {{instance}}' },
        ]),
        graph(
          { title: 'Event loop', description: '99th percentile of the delay of the event loop of each process.' },
          's',
          [
            {
              expr: own.highest('nodejs_eventloop_lag_p99_seconds', ['job', 'instance']),
              legend: '{{job}} {{instance}}',
            },
          ],
        ),
        promTable(
          { title: 'Versions', description: 'What runs where.' },
          [{ expr: 'max by (component, version, instance) (flowspan_build_info)', name: 'running' }],
          { running: { hidden: true } },
        ),
      ],
    },
    {
      height: 7,
      panels: [
        graph(
          {
            title: 'Own spans',
            description: 'Spans per second of Flowspan’s own work that were sent and lost.',
            emptyWhen: 'own spans are off',
          },
          'cps',
          [
            rates('flowspan_own_spans_exported_total', [], 'sent'),
            rates('flowspan_own_spans_lost_total', ['reason'], 'lost: {{reason}}'),
          ],
        ),
      ],
    },
  ],
};
