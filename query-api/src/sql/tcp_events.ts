/** /v1/tcp-events: what went wrong on connections. */
import { TCP_EVENTS } from '../../../store/tables.ts';
import type { RowDefinition } from '../definition.ts';
import { endParameters, serviceParameter } from '../filter/end_parameters.ts';
import { aliasParameter, allParameters, durationParameters, eitherEndParameters } from '../filter/parameters.ts';

export const TCP_EVENTS_DEFINITION: RowDefinition = {
  route: 'tcp-events',
  table: TCP_EVENTS,
  summary: TCP_EVENTS.doc,
  key: [
    ...['node', 'boot_id', 'socket_cookie', 'generation', 'observation_point', 'event_kind'],
    ...['sequence_begin', 'sequence_end', 'source_port', 'tcp_flags'],
  ],
  filters: allParameters(TCP_EVENTS, [
    ...endParameters(TCP_EVENTS),
    serviceParameter(TCP_EVENTS),
    ...eitherEndParameters(TCP_EVENTS),
    ...durationParameters(TCP_EVENTS, 'latency_ns'),
    aliasParameter(TCP_EVENTS, 'kind', ['event_kind']),
    aliasParameter(TCP_EVENTS, 'cause', ['retransmit_cause', 'drop_reason', 'reset_reason']),
  ]),
};
