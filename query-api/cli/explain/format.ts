/** Findings as text for people. */
import { incompleteness, printable } from '../observe_format.ts';
import type { Answers } from './answers.ts';
import type { Cause, Evidence, Finding } from './finding.ts';

/** What a cause means, in one sentence. */
const MEANING: Readonly<Record<Cause, string>> = {
  packet_loss: 'packets are lost on the way, and segments are sent again',
  server_error: 'the server fails',
  reads_late: 'requests lie in the receive queue: the server reads them late',
  slow_application: 'the application takes its time between reading a request and answering it',
  connection_refused: 'nobody listens there: connects are refused',
  client_abort: 'the client gives up before the answer begins',
  accept_queue_overflow: 'the accept queue is full: the server does not accept as fast as clients connect',
};

function numberText({ name, value, unit }: Evidence): string {
  const words = name.replaceAll('_', ' ');
  if (unit === 'ratio') return `${words} ${Number((value * 100).toPrecision(3))} %`;
  return `${words} ${Number(value.toPrecision(4))} ${unit}`;
}

const clock = (time: string) => time.slice(11, 23);

function findingLines(finding: Finding, number: number, all: readonly Finding[]): string[] {
  const { cause, count, of, evidence, since, last, examples, follows_from, id } = finding;
  const consequences = all.filter((other) => other.follows_from.includes(id));
  return [
    `${number}. ${cause}  ${id.slice(cause.length + 1)}`,
    `   ${MEANING[cause]} (${count} of ${of}), from ${clock(since)} to ${clock(last)}`,
    `   ${evidence.map(numberText).join(', ')}`,
    ...examples.flatMap(({ id: request, text }) => [`   e.g. ${text}`, `        /v1/requests/${request}`]),
    ...follows_from.map((other) => `   because of ${numbered(other, all)}`),
    ...consequences.map((other) => `   and so ${numbered(other.id, all)}`),
  ];
}

function numbered(id: string, all: readonly Finding[]): string {
  return `${all.findIndex((finding) => finding.id === id) + 1}. ${id}`;
}

/** How complete the answers are: always something, so that silence never passes for completeness. */
function completenessLines({ completeness, cut, until }: Answers): string[] {
  const missing = new Set(completeness.map((one) => incompleteness(one)).filter((text) => text !== undefined));
  const [watermark] = completeness.map((one) => one.watermark ?? '').toSorted();
  const [opaque] = completeness.flatMap(({ opaque_connections }) => opaque_connections ?? []);
  const unseen = Object.entries(opaque ?? {}).filter(([, count]) => count !== '0');
  return [
    ...(missing.size === 0 ? ['nothing was lost, nothing was unobserved'] : missing),
    watermark === undefined || watermark === ''
      ? 'no collector has reported in this time'
      : watermark < until
        ? `all is stored up to ${watermark}; what came behind that may be missing`
        : `all is stored up to ${until}`,
    ...(unseen.length === 0
      ? []
      : [`requests cannot be seen in ${unseen.map(([what, count]) => `${count} ${what}`).join(', ')} connections`]),
    ...(cut.length === 0 ? [] : [`too much to look at all of it: ${cut.join('; ')}; ask about less`]),
  ];
}

/** The whole answer. */
export function explainText(findings: readonly Finding[], answers: Answers): string {
  const head = `from ${answers.since} to ${answers.until}: ${
    findings.length === 0 ? 'no fault found' : `${findings.length} finding${findings.length === 1 ? '' : 's'}`
  }`;
  const blocks = findings.map((finding, index) => findingLines(finding, index + 1, findings).join('\n'));
  return printableLines([head, ...blocks, completenessLines(answers).join('\n')].join('\n\n'));
}

/** Text from the network must not steer the terminal; line ends are ours. */
const printableLines = (text: string) => `${text.split('\n').map(printable).join('\n')}\n`;
