/** How complete a dashboard's time is, on every dashboard: what is missing from its panels, and up to when all is stored. */
import type { Section } from '../board.ts';
import { dashboardUrl, link, UIDS } from '../links.ts';
import { sqlTable } from '../panels.ts';
import { missing, storedUpTo } from '../queries/clickhouse/completeness.sql.ts';
import { NOTHING_MISSING } from './shared.ts';

/** What is missing, and up to when all is stored. */
export function missingAndStored() {
  return [
    sqlTable(
      {
        title: 'Missing from this time',
        description:
          'What Flowspan failed to record (lost), gave up on purpose (shed; counters and metrics have it), or did not watch, by node and reason. Count 0 stands for a number that cannot be known.',
        emptyWhen: NOTHING_MISSING,
        links: [link('Health and completeness', dashboardUrl(UIDS.health))],
      },
      missing(),
      { since: { width: 190 }, until: { width: 190 }, count: { unit: 'short' } },
    ),
    sqlTable(
      {
        title: 'Stored up to',
        description:
          'For each node: since when its collector has watched, and up to when everything it recorded is stored.',
      },
      storedUpTo(),
      {
        cluster: { hidden: true },
        watching_since: { shown: 'watching since' },
        stored_up_to: { shown: 'stored up to' },
        behind_ms: { unit: 'ms', shown: 'behind', warnAt: [30_000, 60_000] },
      },
    ),
  ];
}

/** The last section of every dashboard but the one about health, which begins with it. */
export const COMPLETENESS: Section = {
  title: 'Completeness of this time',
  rows: [{ height: 6, panels: missingAndStored() }],
};
