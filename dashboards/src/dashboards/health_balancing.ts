/** Which backends collectors choose for clients of services, and how full the tables are that they choose from. */
import type { Section } from '../board.ts';
import { graph } from '../panels.ts';
import * as own from '../queries/own.ts';
import { rates } from './health_lines.ts';

const WITHOUT = 'no collector balances services';
const SHARE = `${own.highest('flowspan_service_entries', ['map'])} / ${own.highest('flowspan_service_entries_limit', ['map'])}`;

export const BALANCING: Section = {
  title: 'Load balancing',
  rows: [
    {
      height: 8,
      panels: [
        graph(
          {
            title: 'Choices',
            description:
              'Backends that were chosen for clients, per second, by reason; no_backend and no_local_backend were refused. audit: chosen and recorded, and not applied. Which backend a connection had is in its flows: lb_slot, lb_candidates.',
            emptyWhen: WITHOUT,
          },
          'short',
          [rates('flowspan_service_choices_total', ['mode', 'reason'], '{{mode}} {{reason}}')],
        ),
        graph(
          {
            title: 'Tables',
            description:
              "How full load balancing's tables in the kernel are: of each the fullest of any collector. A service that finds no room stays as it was, and GET /status says so (NoRoom).",
            emptyWhen: WITHOUT,
          },
          'percentunit',
          [{ expr: SHARE, legend: '{{map}}' }],
        ),
      ],
    },
  ],
};
