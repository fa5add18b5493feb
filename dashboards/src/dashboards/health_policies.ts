/** What policies say at the pods of the collectors' nodes, and whether they are in force as they are written. */
import type { Section } from '../board.ts';
import { graph, sqlGraph } from '../panels.ts';
import { refusedByPolicy } from '../queries/clickhouse/verdicts.sql.ts';
import * as own from '../queries/own.ts';
import { rates } from './health_lines.ts';

const WITHOUT = 'no collector judges by policies';

export const POLICIES: Section = {
  title: 'Policies',
  rows: [
    {
      height: 8,
      panels: [
        graph(
          {
            title: 'Verdicts',
            description:
              'New connections, UDP flows and requests that were judged, per second. audited: would have been denied. lost: told in no row, since too many kinds came at once. refused requests: what was told their clients; dropped are packets that nothing could be told. Which policy and rule said so is in table verdicts.',
            emptyWhen: WITHOUT,
          },
          'short',
          [
            rates('flowspan_policy_verdicts_total', ['verdict'], '{{verdict}}'),
            rates('flowspan_policy_verdicts_lost_total', [], 'lost'),
            rates('flowspan_policy_refusals_total', ['outcome'], 'refused requests: {{outcome}}'),
          ],
        ),
        sqlGraph(
          {
            title: 'Denied and audited by policy',
            description:
              'Verdicts per interval by the policy whose rule, or lack of one, decided; the 20 with most. audited: would have been denied. flowspan observe -t verdict shows each, with its rule.',
            emptyWhen: 'policies denied nothing and would have denied nothing',
          },
          'short',
          refusedByPolicy(),
          { stacked: true },
        ),
        graph(
          {
            title: 'Policies in force',
            description:
              'By kind, of the collector that knows most; and how many collectors hold older ones than those that are accepted: GET /status says why (PolicyTables).',
            emptyWhen: WITHOUT,
          },
          'short',
          [
            { expr: own.highest('flowspan_policy_objects', ['kind']), legend: '{{kind}}' },
            { expr: own.lacking('flowspan_policy_current'), legend: 'collectors with older ones' },
          ],
        ),
        graph(
          {
            title: "Policies' tables",
            description: 'Entries in the kernel, of the collector with most, and sets that were written per second.',
            emptyWhen: WITHOUT,
          },
          'short',
          [
            { expr: own.highest('flowspan_policy_table_entries', ['table']), legend: '{{table}}' },
            rates('flowspan_policy_tables_written_total', [], 'written per second'),
          ],
        ),
        graph(
          {
            title: 'Time to bring policies into force',
            description:
              'What the last set of tables took to compile, in a thread, and to write; the slowest collector.',
            emptyWhen: WITHOUT,
          },
          's',
          [
            { expr: own.highest('flowspan_policy_compile_seconds'), legend: 'compile' },
            { expr: own.highest('flowspan_policy_write_seconds'), legend: 'write' },
          ],
        ),
      ],
    },
  ],
};
