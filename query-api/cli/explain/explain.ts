/** What the answers say is wrong: one finding per edge and cause, worst first. */
import type { Answers } from './answers.ts';
import { type EdgeFacts, edgeFacts, edgeName } from './edge_facts.ts';
import { examplesOf } from './examples.ts';
import type { Finding } from './finding.ts';
import { followsFrom } from './follows.ts';
import { acceptQueueOverflow, connectionRefused, packetLoss } from './network_causes.ts';
import { clientAbort, readsLate, serverError, slowApplication } from './request_causes.ts';
import type { Suspicion } from './suspicion.ts';

/** Every rule, asked about one edge. */
function suspicionsOf(facts: EdgeFacts, { edges }: Answers): Suspicion[] {
  const overflow = acceptQueueOverflow(facts);
  const found = [
    overflow,
    packetLoss(facts),
    connectionRefused(facts, edges),
    serverError(facts),
    clientAbort(facts),
    readsLate(facts, overflow !== undefined),
    slowApplication(facts, overflow !== undefined),
  ];
  return found.filter((one) => one !== undefined);
}

const worstFirst = (a: Finding, b: Finding) =>
  a.follows_from.length - b.follows_from.length || b.share - a.share || b.count - a.count || (a.id < b.id ? -1 : 1);

/** Edges that the answers tell something about, each with a name that no other has. */
function namedEdges(answers: Answers): { facts: EdgeFacts; name: string }[] {
  const all = edgeFacts(answers).map((facts) => ({ facts, name: edgeName(facts.edge) }));
  const names = Map.groupBy(all, ({ name }) => name);
  return all.map(({ facts, name }) => {
    // several endpoints may have one name: replicas, programs in different cgroups
    if (names.get(name)?.length === 1) return { facts, name };
    const { source, destination } = facts.edge;
    return { facts, name: `${name} (${source.endpoint_id ?? '?'} -> ${destination.endpoint_id ?? '?'})` };
  });
}

/**
 * Findings of the answers: those that nothing explains first, each by the share of its edge's traffic that suffers.
 * Without samples none has examples, and nothing follows from anything.
 */
export function explain(answers: Answers): Finding[] {
  const findings = namedEdges(answers).flatMap(({ facts, name }) =>
    suspicionsOf(facts, answers).map((suspicion): Finding => {
      const id = `${suspicion.cause} ${name}`;
      const examples = examplesOf(suspicion, answers.samples[id]);
      return { id, ...suspicion, edge: facts.edge, examples, follows_from: [] };
    }),
  );
  return findings
    .map((one) => ({ ...one, follows_from: followsFrom(one, findings, answers.samples) }))
    .toSorted(worstFirst);
}
