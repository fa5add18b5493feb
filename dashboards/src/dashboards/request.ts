/** Request page: all that is known of one request, opened by its id or its trace's. */
import type { Board } from '../board.ts';
import { dashboardUrl, edgeUrl, link, UIDS } from '../links.ts';
import { sqlBars, sqlTable, traceView } from '../panels.ts';
import * as one from '../queries/clickhouse/request.sql.ts';
import { slowestRequests } from '../queries/clickhouse/requests.sql.ts';
import { edgeVariables, requestVariables } from '../variables.ts';
import { COMPLETENESS } from './completeness.ts';
import { EVENT_TABLE, REQUEST_TABLE } from './shared.ts';

const toEdge = { title: 'Open the edge', url: edgeUrl() };

/** One request. */
export const REQUEST: Board = {
  uid: UIDS.request,
  title: 'Flowspan / Request',
  description:
    'One request by its id: what both ends saw of it, where its time went, what happened on its connection meanwhile, and its trace.',
  variables: [...requestVariables(), ...edgeVariables('several', 'hidden')],
  links: [link('Overview', dashboardUrl(UIDS.overview))],
  sections: [
    {
      title: 'Request',
      rows: [
        {
          height: 4,
          panels: [
            sqlTable(
              {
                title: 'What was asked, and how it went',
                description:
                  'As the end saw it that counts: the server where it was observed. A click on a name opens the edge.',
              },
              one.summary(),
              {
                time: { width: 190, shown: 'ended' },
                cluster: { hidden: true },
                source_namespace: { hidden: true },
                destination_namespace: { hidden: true },
                source_workload: { shown: 'client', link: toEdge },
                destination_workload: { shown: 'server', link: toEdge },
                operation: { shown: 'method' },
                error_type: { shown: 'error' },
                duration_ns: { unit: 'ns', shown: 'took' },
                observed_at: { shown: 'as seen by' },
              },
            ),
          ],
        },
        {
          height: 7,
          panels: [
            sqlBars(
              {
                title: 'Phases',
                description:
                  'Where the time went at each end: receive (the request’s bytes arrive), queue (they wait until the application reads them), application (until the first byte of the response), send (the response’s bytes leave), wait (what cannot be told apart at this end).',
              },
              'ns',
              one.phases(),
              {
                receive: { fixedColor: 'blue' },
                queue: { fixedColor: 'orange' },
                application: { fixedColor: 'green' },
                send: { fixedColor: 'purple' },
                wait: { fixedColor: 'gray' },
              },
            ),
          ],
        },
        {
          height: 5,
          panels: [
            sqlTable(
              {
                title: 'Service and backend',
                description:
                  'Which service the client dialled, the address it dialled, and the backend that was translated to; as each end knows it.',
              },
              one.dialled(),
              {
                observed_at: { width: 110, shown: 'as seen by' },
                dialled: { shown: 'address' },
                server_node: { shown: 'node of the server' },
              },
            ),
          ],
        },
        {
          height: 9,
          panels: [
            sqlTable(
              {
                title: 'Events of its connection meanwhile',
                description:
                  'Retransmits, resets, drops and stalls on the request’s connection from its begin to its end, and 0.3 s longer for what its last bytes still needed; seen at either end.',
                emptyWhen: 'nothing went wrong on the connection meanwhile',
              },
              one.eventsMeanwhile(),
              EVENT_TABLE,
            ),
          ],
        },
        {
          height: 10,
          panels: [
            traceView(
              {
                title: 'Trace',
                description: 'The spans of the trace that this request is part of, each request once per observed end.',
              },
              one.trace(),
            ),
          ],
        },
        {
          height: 16,
          panels: [
            sqlTable(
              {
                title: 'All facts',
                description:
                  'Every column of the request as its client’s and its server’s end recorded it; an empty cell is not known at that end.',
              },
              one.facts(),
              { fact: { width: 220 }, client: { width: 280 }, server: { width: 280 } },
            ),
          ],
        },
        {
          height: 8,
          panels: [
            sqlTable(
              {
                title: 'Its connection',
                description:
                  'What each end of the connection did in the intervals that the request touches; the row of an interval appears when that ends.',
              },
              one.connection(),
              {
                time: { width: 190 },
                observation_point: { shown: 'seen by' },
                duration_ns: { unit: 'ns', shown: 'interval' },
                bytes_sent: { unit: 'bytes', shown: 'sent' },
                bytes_received: { unit: 'bytes', shown: 'received' },
                srtt_us: { unit: 'µs', shown: 'RTT' },
                min_rtt_us: { unit: 'µs', shown: 'min RTT' },
                rttvar_us: { unit: 'µs', shown: 'RTT deviation' },
                rwnd_limited_us: { unit: 'µs', shown: 'limited by receive window' },
                sndbuf_limited_us: { unit: 'µs', shown: 'limited by send buffer' },
              },
            ),
          ],
        },
        {
          height: 5,
          panels: [
            sqlTable(
              {
                title: 'Lost by Flowspan meanwhile',
                description: 'What Flowspan failed to record around this request.',
                emptyWhen: 'nothing was lost',
              },
              one.lossesMeanwhile(),
              { duration_ns: { unit: 'ns', shown: 'over' } },
            ),
          ],
        },
      ],
    },
    {
      title: 'Others',
      rows: [
        {
          height: 9,
          panels: [
            sqlTable(
              { title: 'Slowest requests of the time range', description: 'To open another one: a click on a URL.' },
              slowestRequests(),
              { ...REQUEST_TABLE, source_workload: { shown: 'client' }, destination_workload: { shown: 'server' } },
            ),
          ],
        },
      ],
    },
    COMPLETENESS,
  ],
};
