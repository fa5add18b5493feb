/** What goes past TCP, past nodes' stacks, and to proxies. */
import type { Section } from '../board.ts';
import { graph } from '../panels.ts';
import * as own from '../queries/own.ts';
import { rates } from './health_lines.ts';

const WITHOUT = 'no collector redirects: step redirect observes everywhere';

export const REDIRECT: Section = {
  title: 'Redirect',
  rows: [
    {
      height: 8,
      panels: [
        graph(
          {
            title: 'Connections of pods that opted in',
            description:
              "Per second, by way and what became of them. audited: they would have been redirected. judged: left to TCP, since policies judge their requests. own: a proxy's, left alone. Of the way peer, SYNs.",
            emptyWhen: WITHOUT,
          },
          'short',
          [rates('flowspan_redirect_connections_total', ['way', 'outcome'], '{{way}} {{outcome}}')],
        ),
        graph(
          {
            title: 'Back to TCP',
            description:
              'Directions of connections per second that go through TCP from now on, by why. unread: the reader was behind, and TCP holds the writer back.',
            emptyWhen: WITHOUT,
          },
          'short',
          [rates('flowspan_redirect_stops_total', ['reason'], '{{reason}}')],
        ),
        graph({ title: 'Past TCP', description: 'Bytes per second that went past TCP.', emptyWhen: WITHOUT }, 'Bps', [
          rates('flowspan_redirect_bytes_total', [], 'bytes'),
        ]),
        graph(
          {
            title: 'Messages and packets',
            description:
              "Per second: messages past TCP; packets past nodes' stacks; original destinations that proxies were told.",
            emptyWhen: WITHOUT,
          },
          'short',
          [
            rates('flowspan_redirect_messages_total', [], 'messages past TCP'),
            rates('flowspan_redirect_peer_packets_total', [], "packets past nodes' stacks"),
            rates('flowspan_redirect_original_destinations_total', [], 'original destinations'),
          ],
        ),
        graph(
          {
            title: 'Room in maps',
            description:
              'Share of the room taken in the maps that say who opted in: the fullest of any collector. Pods beyond it are not redirected, and have the condition NoRoom.',
            emptyWhen: WITHOUT,
          },
          'percentunit',
          [
            {
              expr: `${own.highest('flowspan_redirect_entries', ['map'])} / ${own.highest('flowspan_redirect_entries_limit', ['map'])}`,
              legend: '{{map}}',
            },
          ],
        ),
      ],
    },
  ],
};
