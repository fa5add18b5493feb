/** Collector health and completeness: can the other dashboards be believed? */
import type { Board, Section } from '../board.ts';
import { dashboardUrl, link, UIDS } from '../links.ts';
import { sqlTable, stat } from '../panels.ts';
import { losses } from '../queries/clickhouse/completeness.sql.ts';
import * as own from '../queries/own.ts';
import { sumIncrease, sumRate } from '../queries/promql.ts';
import { NOW } from '../variables.ts';
import { missingAndStored } from './completeness.ts';
import { BALANCING } from './health_balancing.ts';
import { COLLECTOR, SPANS } from './health_collector.ts';
import { DATAPLANE } from './health_dataplane.ts';
import { KUBERNETES } from './health_kubernetes.ts';
import { MANIFESTS } from './health_manifests.ts';
import { POLICIES } from './health_policies.ts';
import { REDIRECT } from './health_redirect.ts';
import { PROCESSES, QUERY_API, STORE } from './health_services.ts';
import { NOTHING_LOST } from './shared.ts';

const RANGE = '$__range';

const completeness: Section = {
  title: 'Completeness',
  rows: [
    {
      height: 4,
      panels: [
        stat(
          {
            title: 'Lost in this time',
            description:
              'Records that the kernel wanted to tell and that are not stored. Not packets: those are drops.',
          },
          'short',
          { expr: sumIncrease('flowspan_collector_lost_records_total', RANGE) },
        ),
        stat(
          { title: 'Not watched in this time', description: 'Seconds in which a collector was not watching.' },
          's',
          {
            expr: sumIncrease('flowspan_collector_unobserved_seconds_total', RANGE),
          },
        ),
        stat(
          {
            title: 'Lag',
            description: 'Age of the oldest record that is not stored yet; the highest of all collectors.',
          },
          's',
          {
            expr: own.highest('flowspan_collector_lag_seconds'),
          },
        ),
        stat({ title: 'Spool', description: 'Bytes that wait on disk to be stored, of all collectors.' }, 'bytes', {
          expr: own.gauge('flowspan_collector_spool_bytes'),
        }),
        stat({ title: 'Store', description: 'Bytes on disk of all tables of the embedded store.' }, 'bytes', {
          expr: own.gauge('flowspan_store_table_bytes'),
        }),
        stat(
          {
            title: 'Incomplete answers',
            description: 'Answers of the query API per second that said that they were not complete.',
          },
          'reqps',
          { expr: sumRate('flowspan_query_api_incomplete_answers_total', NOW) },
        ),
      ],
    },
    { height: 8, panels: missingAndStored() },
    {
      height: 8,
      panels: [
        sqlTable(
          {
            title: 'Losses',
            description:
              'What was lost, shed or not watched, when and why, from table losses. Count 0 stands for a number that cannot be known.',
            emptyWhen: NOTHING_LOST,
          },
          losses(),
          { time: { width: 190 }, cluster: { hidden: true }, duration_ns: { unit: 'ns', shown: 'over' } },
        ),
      ],
    },
  ],
};

/** Health of Flowspan itself. */
export const HEALTH: Board = {
  uid: UIDS.health,
  title: 'Flowspan / Health and completeness',
  description:
    'Whether the other dashboards can be believed: what was lost or not watched, how far storing lags, and what Flowspan costs.',
  variables: [],
  links: [link('Overview', dashboardUrl(UIDS.overview))],
  sections: [
    completeness,
    COLLECTOR,
    SPANS,
    KUBERNETES,
    MANIFESTS,
    DATAPLANE,
    BALANCING,
    POLICIES,
    REDIRECT,
    STORE,
    QUERY_API,
    PROCESSES,
  ],
};
