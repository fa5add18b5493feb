/** /v1/verdicts: what policies said, and whose rule. */
import { VERDICTS } from '../../../store/tables.ts';
import type { RowDefinition } from '../definition.ts';
import { aliasParameter, allParameters, methodParameter, policyVerdictParameter } from '../filter/parameters.ts';
import type { Measure } from '../measures.ts';

const said = (verdict: string, doc: string): Measure => ({
  name: verdict,
  expression: `sumIf(t.count, t.policy_verdict = '${verdict}')`,
  json: 'string',
  doc,
});

export const VERDICTS_DEFINITION: RowDefinition = {
  route: 'verdicts',
  table: VERDICTS,
  summary: `${VERDICTS.doc} Groups count verdicts, not rows.`,
  key: ['node', 'boot_id', 'verdict_id'],
  weight: 'count',
  measures: [
    said('allowed', 'How many a rule allowed.'),
    said('denied', 'How many were denied.'),
    said('audited', 'How many would have been denied.'),
    said('no_policy', 'How many no policy spoke of.'),
  ],
  filters: allParameters(VERDICTS, [
    policyVerdictParameter(VERDICTS),
    aliasParameter(VERDICTS, 'mode', ['policy_mode']),
    aliasParameter(VERDICTS, 'port', ['destination_port']),
    methodParameter(VERDICTS, 'http_method'),
    aliasParameter(VERDICTS, 'host', ['http_host']),
    aliasParameter(VERDICTS, 'path', ['http_path']),
  ]),
};
