/** What the store, the query API and the processes themselves do. */
import type { Section } from '../board.ts';
import { graph, promTable } from '../panels.ts';
import * as own from '../queries/own.ts';
import { NOW } from '../variables.ts';
import { INSTANCE, quantiles, rates } from './health_lines.ts';

const PROCESS = '{{component}} {{instance}}';

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
              'Bytes on disk by table of the embedded store, and what they may take together: beyond it the oldest partitions go.',
          },
          'bytes',
          [
            { expr: own.gauge('flowspan_store_table_bytes', ['table']), legend: '{{table}}' },
            { expr: own.gauge('flowspan_store_byte_budget_bytes'), legend: 'byte budget' },
          ],
        ),
        graph({ title: 'Free disk', description: 'Free bytes of the file system that the store lies on.' }, 'bytes', [
          { expr: own.gauge('flowspan_store_filesystem_free_bytes', ['instance']), legend: INSTANCE },
        ]),
        graph({ title: 'Rows by table', description: 'Rows by table of the embedded store.' }, 'short', [
          { expr: own.gauge('flowspan_store_table_rows', ['table']), legend: '{{table}}' },
        ]),
        graph(
          {
            title: 'Parts by table',
            description: 'Data parts by table: a number that keeps growing means that merges do not keep up.',
          },
          'short',
          [{ expr: own.gauge('flowspan_store_table_parts', ['table']), legend: '{{table}}' }],
        ),
      ],
    },
    {
      height: 8,
      panels: [
        graph({ title: 'Inserted rows', description: 'Rows per second that the store took, by table.' }, 'cps', [
          rates('flowspan_store_inserted_rows_total', ['table'], '{{table}}'),
        ]),
        graph(
          {
            title: 'Inserts and queries',
            description: 'Inserts per second by result, and other statements by account and result.',
          },
          'reqps',
          [
            rates('flowspan_store_inserts_total', ['result'], 'insert: {{result}}'),
            rates('flowspan_store_queries_total', ['account', 'result'], '{{account}}: {{result}}'),
          ],
        ),
        graph(
          {
            title: 'Statements in the engine',
            description: 'Statements that run, and that wait for their turn, by account.',
          },
          'short',
          [
            { expr: own.gauge('flowspan_store_running_statements', ['account']), legend: '{{account}} runs' },
            { expr: own.gauge('flowspan_store_waiting_statements', ['account']), legend: '{{account}} waits' },
          ],
        ),
        graph(
          {
            title: 'Engine memory',
            description: 'Memory that the engine counts as its own, and the most it may take: beyond it queries fail.',
          },
          'bytes',
          [
            { expr: own.gauge('flowspan_store_engine_memory_bytes', ['instance']), legend: 'used' },
            { expr: own.gauge('flowspan_store_engine_memory_limit_bytes', ['instance']), legend: 'limit' },
          ],
        ),
      ],
    },
    {
      height: 8,
      panels: [
        graph(
          { title: 'Query time', description: 'Quantiles of the time of a statement, waiting included, by account.' },
          's',
          quantiles('flowspan_store_query_seconds', ['account'], '{{account}}'),
        ),
        graph(
          { title: 'Insert time', description: 'Quantiles of the time of an insert, reading its rows included.' },
          's',
          quantiles('flowspan_store_insert_seconds', [], ''),
        ),
        graph(
          {
            title: 'Deleted for the byte budget',
            description: 'Partitions and rows per second that went because the budget was spent: answers say so.',
          },
          'cps',
          [
            rates('flowspan_store_expired_partitions_total', ['table'], 'partitions of {{table}}'),
            rates('flowspan_store_expired_rows_total', ['table'], 'rows of {{table}}'),
          ],
        ),
        graph(
          {
            title: 'Since the last upkeep',
            description:
              'Time since tables were last measured and the budget was kept; rounds that failed per second; how long minutes of edges_1m wait to be built (questions read rows till then).',
          },
          's',
          [
            { expr: 'time() - flowspan_store_upkeep_last_success_timestamp_seconds > 0', legend: INSTANCE },
            { expr: 'flowspan_store_edges_behind_seconds', legend: `edges behind: ${INSTANCE}` },
            rates('flowspan_store_upkeeps_total', ['result'], 'rounds: {{result}}'),
          ],
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
          [{ expr: own.ofProcesses(`rate(process_cpu_seconds_total[${NOW}])`), legend: PROCESS }],
        ),
        graph({ title: 'Memory', description: 'Resident memory of each of Flowspan’s processes.' }, 'bytes', [
          { expr: own.ofProcesses('process_resident_memory_bytes'), legend: PROCESS },
        ]),
        graph(
          { title: 'Event loop', description: 'Delay of the event loop of each process, its 99th percentile.' },
          's',
          [{ expr: own.ofProcesses('nodejs_eventloop_lag_p99_seconds'), legend: PROCESS }],
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
