/** /v1/policy/check: what drafts of policies would change of what was seen. */
import Type from 'typebox';
import { NAMESPACE } from '../../../collector/src/control/policy/labels.ts';
import type { PolicyModel } from '../../../collector/src/control/policy/model.ts';
import { FLOWS, REQUESTS } from '../../../store/tables.ts';
import { answerSchema, responses } from '../answer.ts';
import { completenessOf, readCoverage } from '../completeness.ts';
import type { Context } from '../context.ts';
import { instantText } from '../fields.ts';
import { withClaims } from '../identities.ts';
import { CHANGE_SCHEMA, CHECK_SCHEMAS, changeRows, countsText } from '../policy/answer.ts';
import { Ends } from '../policy/ends.ts';
import { PolicyJudge } from '../policy/judge.ts';
import { Knowledge } from '../policy/knowledge.ts';
import { readModels } from '../policy/models.ts';
import { BODY_BYTES, CHECK_PARAMETERS, readCheckQuestion } from '../policy/question.ts';
import { Replay } from '../policy/replay.ts';
import { goneSignal } from '../requester.ts';
import { expiredBefore } from '../retention.ts';
import { connectionGroupsSql, endpointVersionsSql, opaqueGroupsSql, requestGroupsSql } from '../sql/policy_check.ts';
import { textParameters } from './parameters.ts';

/** It asks the store three times, one after another, and judges. */
const PATIENCE = 4;

/** Namespaces that a policy's subjects are in, as far as it names them. */
function subjectNamespaces({ policies }: PolicyModel): readonly string[] {
  const named = policies.flatMap(({ subject }) =>
    subject.filter(({ key, operator }) => key === NAMESPACE && operator === 'In').flatMap(({ values }) => values),
  );
  return [...new Set(named)];
}

/** Adds POST /v1/policy/check. */
export function addPolicyCheckRoute({ app, store, limits, scopeOf }: Context): void {
  const objects = (description: string) => Type.Array(Type.Object({}, { additionalProperties: true }), { description });
  const schema = {
    summary:
      'Replays stored connections and requests against drafts of policies: what would be denied that is allowed, and ' +
      'back, by workload, with counts and examples. `flowspan policy check` asks it.',
    querystring: textParameters(CHECK_PARAMETERS),
    body: Type.Object({
      drafts: objects('Policies as Kubernetes objects. One that has the name of one in force takes its place.'),
      current: Type.Optional(
        objects(
          'What is in force, as Kubernetes objects: policies, and the Namespaces, Nodes and Pods whose labels and ports ' +
            'they ask for. Left out: nothing is in force.',
        ),
      ),
    }),
    response: responses(answerSchema(CHANGE_SCHEMA, CHECK_SCHEMAS)),
  };
  app.post('/v1/policy/check', { schema, bodyLimit: BODY_BYTES }, async (request, reply) => {
    const signal = goneSignal(reply, { max_execution_s: PATIENCE * limits.max_execution_s });
    const question = readCheckQuestion(request, limits);
    const { since, until, drafts, current, namespace, examples, limit } = question;
    const asked = await withClaims(store, { since, until, scope: scopeOf(request), filters: [] }, signal);
    const models = await readModels(current ?? [], drafts, signal);
    const knowledge = new Knowledge([...(current ?? []), ...drafts]);
    const judges = [models.before, models.after].map((model) => new PolicyJudge(model, knowledge)) as [
      PolicyJudge,
      PolicyJudge,
    ];
    const [versions, coverage, expired] = await Promise.all([
      store.rows(endpointVersionsSql(asked), signal),
      readCoverage(store, FLOWS, asked, signal),
      expiredBefore(store, REQUESTS, signal),
    ]);
    const ends = new Ends(versions, knowledge);
    const groups = { byVersion: ends.change, byAddress: judges.some((judge) => judge.asksAddresses) };
    const replay = new Replay(ends, judges, { namespace, examples });
    await replay.connections(await store.rows(connectionGroupsSql(asked, groups), signal), signal);
    if (replay.ports.length > 0) {
      await replay.opaque(await store.rows(opaqueGroupsSql(asked, groups, replay.ports), signal), signal);
      await replay.requests(await store.rows(requestGroupsSql(asked, groups, replay.ports), signal), signal);
    }
    const completeness = completenessOf(coverage, replay.isSampled);
    reply.complete = completeness.complete;
    return reply.send({
      ...{ data: changeRows(replay, limit), next: null, completeness },
      ...{ compared_with: current === undefined ? 'nothing' : 'current', changes: replay.changes.size },
      ...{ connections: countsText(replay.counts, 'connections'), requests: countsText(replay.counts, 'requests') },
      drafts: models.drafts,
      current: models.current.filter(({ reason }) => reason !== 'Accepted'),
      evidence: {
        namespaces_without_rows: subjectNamespaces(models.after).filter((one) => !replay.namespaces.has(one)),
        taken_as_outside: String(replay.takenAsOutside),
        requests_expired_before: expired > since ? instantText(expired) : null,
      },
    });
  });
}
