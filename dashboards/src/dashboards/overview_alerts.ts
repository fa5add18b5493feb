/** Alerts that wait or fire: those on edges lead to the edge, those about Flowspan itself to its health. */
import { dashboardUrl, edgeUrl, UIDS } from '../links.ts';
import { promTable } from '../panels.ts';
import { EDGE_LABELS } from '../queries/promql.ts';

/** The alerts that a matcher selects, with the labels that say what they are about. */
const alerts = (matcher: string, labels: readonly string[]) => [
  {
    expr: `sum by (${['alertname', 'alertstate', 'severity', ...labels].join(', ')}) (ALERTS{alertname=~"Flowspan.*",${matcher}})`,
    name: 'active',
  },
];

/** Both tables. */
export const ALERTS = [
  promTable(
    {
      title: 'Alerts on edges',
      description: 'Alerts that wait or fire, with their edge. A click on one opens the edge.',
      emptyWhen: 'no alert is pending or firing',
    },
    alerts('destination_workload!=""', EDGE_LABELS),
    { alertname: { link: { title: 'Open the edge', url: edgeUrl() } }, active: { hidden: true } },
  ),
  promTable(
    {
      title: 'Alerts about Flowspan',
      description: 'Alerts about Flowspan itself that wait or fire, with the process that they speak of.',
      emptyWhen: 'Flowspan is well',
    },
    alerts('destination_workload=""', ['job', 'instance']),
    {
      alertname: { link: { title: 'Health and completeness', url: dashboardUrl(UIDS.health) } },
      active: { hidden: true },
    },
  ),
];
