/** /v1/flows: connections, one row per interval and observed end. */
import { FLOWS } from '../../../store/tables.ts';
import type { RowDefinition } from '../definition.ts';
import { endParameters, serviceParameter } from '../filter/end_parameters.ts';
import { aliasParameter, allParameters, durationParameters, eitherEndParameters } from '../filter/parameters.ts';

export const FLOWS_DEFINITION: RowDefinition = {
  route: 'flows',
  table: FLOWS,
  summary: `${FLOWS.doc} Both ends of a connection have rows of their own where both are observed.`,
  key: ['node', 'boot_id', 'socket_cookie', 'generation', 'observation_point', 'interval_index', 'source_port'],
  failure: "t.close_cause IN ('reset', 'timeout', 'refused', 'unreachable', 'aborted')",
  measures: [
    {
      name: 'retransmit_ratio',
      expression:
        'sum(t.retransmitted_segments * t.sample_weight) / nullIf(sum(t.data_segments_sent * t.sample_weight), 0)',
      json: 'number',
      doc: 'Segments sent again per segment with payload sent; null if none was sent.',
    },
  ],
  filters: allParameters(FLOWS, [
    ...endParameters(FLOWS),
    serviceParameter(FLOWS),
    ...eitherEndParameters(FLOWS),
    ...durationParameters(FLOWS, 'connection_age_ns'),
    aliasParameter(FLOWS, 'cause', ['close_cause']),
    aliasParameter(FLOWS, 'state', ['flow_state']),
  ]),
};
