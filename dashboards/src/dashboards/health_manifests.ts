/** What collectors take from directories of manifests, and what they refuse of them. */
import type { Section } from '../board.ts';
import { graph } from '../panels.ts';
import * as own from '../queries/own.ts';
import { rates } from './health_lines.ts';

const WITHOUT = 'no collector reads a directory of manifests';

export const MANIFESTS: Section = {
  title: 'Manifests',
  rows: [
    {
      height: 8,
      panels: [
        graph(
          {
            title: 'Objects in use',
            description: 'Objects of the directory by kind: the most of any collector.',
            emptyWhen: WITHOUT,
          },
          'short',
          [{ expr: own.highest('flowspan_manifests_objects', ['kind']), legend: '{{kind}}' }],
        ),
        graph(
          {
            title: 'Refused',
            description:
              'Files and objects that are not in use as they are written now: the most of any collector. What was taken from them before stays in use; the collector says why at GET /status.',
            emptyWhen: WITHOUT,
          },
          'short',
          [{ expr: own.highest('flowspan_manifests_refused'), legend: 'refused' }],
        ),
        graph(
          {
            title: 'Since all was accepted',
            description:
              'Seconds since all of the directory was accepted when it was read, of the collector that waits longest. It is read when it changes.',
            emptyWhen: WITHOUT,
          },
          's',
          [{ expr: own.oldest('flowspan_manifests_last_sound_timestamp_seconds'), legend: 'oldest' }],
        ),
        graph(
          { title: 'Reads', description: 'How often directories are read, per second.', emptyWhen: WITHOUT },
          'short',
          [rates('flowspan_manifests_reads_total', [], 'reads')],
        ),
      ],
    },
  ],
};
