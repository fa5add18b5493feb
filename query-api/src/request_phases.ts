/**
 * Where a request spent its time, as the server's end saw it. Every request passes through four phases, one behind the
 * other: its bytes arrive (receive), it lies in the receive queue (queue), it is with the application (application), its
 * answer is sent (send). A phase that cannot be told is 0: no read was seen, or no answer came.
 */
import type { Measure } from './measures.ts';

const SENT = 't.request_sent_ns';
const READ = 't.application_read_ns';
const ANSWERED = 't.response_start_ns';

/**
 * UInt64 expressions over one row of `t`, in ns. An application that reads the head while the body still arrives has
 * left the head in the queue until then; what comes behind that read is the rest's arrival.
 */
export const PHASES = {
  receive: `if(${READ} != 0 AND ${READ} <= ${SENT}, ${SENT} - ${READ}, ${SENT})`,
  queue: `if(${READ} > ${SENT}, ${READ} - ${SENT}, ${READ})`,
  application: `if(${READ} != 0 AND ${ANSWERED} > greatest(${READ}, ${SENT}), ${ANSWERED} - greatest(${READ}, ${SENT}), 0)`,
  send: `if(${ANSWERED} != 0 AND t.duration_ns > ${ANSWERED}, t.duration_ns - ${ANSWERED}, 0)`,
} as const;

/** Name of a phase. */
export type Phase = keyof typeof PHASES;

const DOCS: Readonly<Record<Phase, string>> = {
  receive: 'first to last byte of the request',
  queue: 'in the receive queue until the application read it',
  application: 'from the read to the first byte of the response',
  send: 'first to last byte of the response',
};

const mostly = (phase: Phase) => `${ANSWERED} != 0 AND ${PHASES[phase]} * 2 > t.duration_ns`;

const counted = (name: string, condition: string, doc: string): Measure => ({
  name,
  expression: `sumIf(t.sample_weight, ${condition})`,
  json: 'string',
  doc,
});

/** Measures of groups of requests that tell of their phases. */
export const PHASE_MEASURES: readonly Measure[] = [
  ...(Object.keys(PHASES) as Phase[]).flatMap((phase): Measure[] => [
    {
      name: `sum_${phase}_ns`,
      expression: `sum(toUInt64(${PHASES[phase]}) * t.sample_weight)`,
      json: 'string',
      doc: `Time of all requests in phase ${phase}: ${DOCS[phase]}. Unit: ns.`,
    },
    counted(
      `mostly_${phase}`,
      mostly(phase),
      `Answered requests that spent more than half of their time in phase ${phase}.`,
    ),
  ]),
  counted(
    'mostly_queue_first',
    `t.request_index = 0 AND ${mostly('queue')}`,
    'Of mostly_queue, first requests of their connection: those may have waited to be accepted.',
  ),
  counted('read', `${READ} != 0`, 'Requests that the application was seen to read.'),
];
