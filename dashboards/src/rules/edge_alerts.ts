/** Alerts about an edge: one client, one server, and what the network did between them. */
import { EDGE_LABELS } from '../queries/prometheus.ts';
import { EDGE_MATCHERS, EDGE_NAME, edgePage, edgeQuestion, NAMELESS } from './edge_links.ts';
import { RECORDED } from './recording.ts';
import type { AlertRule, RuleContext } from './rule.ts';
import { THRESHOLDS } from './thresholds.ts';

const onEdge = `on (${EDGE_LABELS.join(', ')})`;
const enoughRequests = `and ${onEdge} ${RECORDED.requests} > ${THRESHOLDS.requestsPerSecond}`;
const share = '{{ $value | humanizePercentage }}';

/** Edges on which one end sends much again; the value is that end's ratio. */
const retransmits = [
  `max without (sent_by) (${RECORDED.senderRetransmitRatio} > ${THRESHOLDS.retransmitRatio}`,
  `and ${RECORDED.senderSegments} > ${THRESHOLDS.segmentsPerSecond}`,
  `and ${RECORDED.senderRetransmittedCount} >= ${THRESHOLDS.retransmittedSegments})`,
].join(' ');

const serverErrors = (matchers = '') =>
  `${RECORDED.serverErrorRatio}${matchers} > ${THRESHOLDS.serverErrorRatio} ${enoughRequests}`;

/** Value of a recorded series of the alert's edge, as a percentage; nothing if there is none any more. */
const shareOf = (expression: string) =>
  `{{ with printf ${JSON.stringify(`max(${expression}${EDGE_MATCHERS.format})`)} ${EDGE_MATCHERS.values} | query }}` +
  '{{ . | first | value | humanizePercentage }}{{ end }}';

/** All alerts about edges. */
export function edgeAlerts({ span, links }: RuleContext): AlertRule[] {
  const dashboardUrl = edgePage(links);
  const about = (route: string, ...filters: readonly string[]) => ({
    dashboardUrl,
    firstQuery: edgeQuestion(links, route, ...filters),
  });
  return [
    {
      alert: 'FlowspanRetransmitsWithServerErrors',
      severity: 'critical',
      // An end without a name stands for many: that the two happen on the same edge could not be told.
      expr: `${serverErrors(`{source_workload!~"${NAMELESS}",destination_workload!~"${NAMELESS}"}`)} and ${onEdge} ${retransmits}`,
      forS: 120,
      keepFiringS: 300,
      summary: 'A server answers with errors while the network between it and this client loses segments.',
      description: `From ${EDGE_NAME} ${share} of the requests are answered with 5xx, and up to ${shareOf(RECORDED.senderRetransmitRatio)} of one end's segments are sent again.`,
      ...about('requests', 'outcome=server_error', 'order=-duration_ns'),
    },
    {
      alert: 'FlowspanServerErrors',
      severity: 'critical',
      expr: serverErrors(),
      forS: 120,
      keepFiringS: 300,
      summary: 'A server answers many requests of one client with errors.',
      description: `From ${EDGE_NAME} ${share} of the requests are answered with 5xx.`,
      ...about('requests', 'outcome=server_error'),
    },
    {
      alert: 'FlowspanHighLatency',
      severity: 'warning',
      expr: [
        `${RECORDED.durationP99} > ${THRESHOLDS.durationP99Seconds} ${enoughRequests}`,
        `and ${onEdge} ${RECORDED.slowRequestCount} >= ${THRESHOLDS.slowRequests}`,
      ].join(' '),
      forS: 300,
      keepFiringS: 300,
      summary: 'One request of a hundred takes longer than a second.',
      description: `From ${EDGE_NAME} the slowest 1 % of the requests take {{ $value | humanizeDuration }} or more.`,
      ...about('requests', `min_duration=${THRESHOLDS.durationP99Seconds}s`, 'order=-duration_ns'),
    },
    {
      alert: 'FlowspanRetransmits',
      severity: 'warning',
      expr: retransmits,
      forS: 600,
      keepFiringS: 600,
      summary: 'The network between two ends loses segments.',
      description: `From ${EDGE_NAME} one end sends ${share} of its segments again.`,
      ...about('tcp-events', 'kind=retransmit'),
    },
    {
      alert: 'FlowspanResets',
      severity: 'warning',
      expr: [
        `${RECORDED.connectionsReset} / (${RECORDED.establishedClosed} > 0) > ${THRESHOLDS.resetRatio}`,
        `and ${onEdge} ${RECORDED.connectionsReset} > ${THRESHOLDS.resetsPerSecond}`,
      ].join(' '),
      forS: 300,
      keepFiringS: 300,
      summary: 'Many connections of one client and server end with a reset.',
      description: `From ${EDGE_NAME} ${share} of the connections that end are reset.`,
      ...about('tcp-events', 'kind=reset_sent', 'kind=reset_received'),
    },
    {
      alert: 'FlowspanConnectFailures',
      severity: 'critical',
      expr: [
        `${RECORDED.connectFailureRatio} > ${THRESHOLDS.connectFailureRatio}`,
        `and ${onEdge} ${RECORDED.connectsFailed} > ${THRESHOLDS.connectsFailedPerSecond}`,
      ].join(' '),
      forS: 120,
      keepFiringS: 300,
      summary: 'A client cannot connect to a server.',
      description: `From ${EDGE_NAME} ${share} of the connects fail.`,
      ...about('tcp-events', 'kind=connect_failed'),
    },
    {
      alert: 'FlowspanAcceptQueueOverflows',
      severity: 'warning',
      expr: `${RECORDED.acceptQueueOverflows} > ${THRESHOLDS.acceptQueueOverflowsPerSecond}`,
      forS: 120,
      keepFiringS: 600,
      summary: 'A server takes connections more slowly than they come; its kernel drops their handshakes.',
      description: `From ${EDGE_NAME} {{ $value | printf "%.2f" }} packets of handshakes a second find the accept queue full.`,
      ...about('tcp-events', 'kind=accept_overflow'),
    },
    {
      alert: 'FlowspanEdgeWentOpaque',
      severity: 'info',
      expr: [
        `${RECORDED.opaqueRatio} > ${THRESHOLDS.opaqueRatioNow}`,
        `and ${onEdge} ${RECORDED.opaqueRatio} offset ${span(3_600)} < ${THRESHOLDS.opaqueRatioBefore}`,
      ].join(' '),
      forS: 600,
      keepFiringS: 0,
      summary: 'Requests that could be seen an hour ago cannot be seen any more.',
      description: `From ${EDGE_NAME} the requests of ${share} of the connections cannot be seen; no error of theirs will be counted.`,
      ...about('flows', 'application_protocol=tls,http2,other'),
    },
  ];
}
