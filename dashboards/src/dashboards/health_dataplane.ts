/** Who has the data plane of its machine, and what of it is attached. */
import type { Section } from '../board.ts';
import { graph } from '../panels.ts';
import * as own from '../queries/own.ts';

const WITHOUT = 'no collector has been scraped';

export const DATAPLANE: Section = {
  title: 'Data plane',
  rows: [
    {
      height: 8,
      panels: [
        graph(
          {
            title: 'Roles',
            description:
              'Collectors by what they are to the data plane of their machine: holder, standby (it waits until the holder is gone), or none, where every step is on observe.',
            emptyWhen: WITHOUT,
          },
          'short',
          [{ expr: own.gauge('flowspan_dataplane_role', ['role']), legend: '{{role}}' }],
        ),
        graph(
          {
            title: 'Programs attached',
            description: 'Programs of the data plane that are attached, or ready to run: of all collectors, by step.',
            emptyWhen: WITHOUT,
          },
          'short',
          [{ expr: own.gauge('flowspan_dataplane_programs', ['step']), legend: '{{step}}' }],
        ),
        graph(
          {
            title: 'Programs lacking',
            description:
              'Programs of steps that are wanted which are not attached: the most of any collector. It says why at GET /status, and what is missing without them.',
            emptyWhen: WITHOUT,
          },
          'short',
          [{ expr: own.highest('flowspan_dataplane_programs_lacking', ['step']), legend: '{{step}}' }],
        ),
      ],
    },
  ],
};
