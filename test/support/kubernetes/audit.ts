/** What an API server was asked, in its own words: its audit log. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A request that one user has sent. */
export interface AuditEntry {
  readonly verb: string;
  /** Plural of what was asked for. */
  readonly resource: string;
  /** Whether all objects were to be sent: a list, or a watch that begins with one. */
  readonly isList: boolean;
  /** HTTP status of the answer. */
  readonly status: number;
  readonly atMs: number;
}

/** The audit log of one user's requests. */
export interface Audit {
  /** Arguments of kube-apiserver. */
  readonly words: readonly string[];
  /** Requests whose answers have begun since then, in their order. @param sinceMs milliseconds since the epoch */
  read(sinceMs: number): AuditEntry[];
}

/** One line of the log, as far as it is read. */
interface Line {
  readonly auditID: string;
  readonly verb: string;
  readonly requestURI: string;
  readonly objectRef: { readonly resource: string };
  readonly responseStatus: { readonly code: number };
  readonly requestReceivedTimestamp: string;
}

/** @param user as the API server names it: `system:serviceaccount:<namespace>:<name>` */
export function auditOf(user: string, folder: string): Audit {
  const [policy, log] = [join(folder, 'audit-policy.json'), join(folder, 'audit.log')];
  const rules = [{ level: 'Metadata', users: [user], omitStages: ['RequestReceived'] }, { level: 'None' }];
  writeFileSync(policy, JSON.stringify({ apiVersion: 'audit.k8s.io/v1', kind: 'Policy', rules }));
  return {
    words: [`--audit-policy-file=${policy}`, `--audit-log-path=${log}`],
    read: (sinceMs) => {
      const lines = existsSync(log) ? readFileSync(log, 'utf8').split('\n').filter(Boolean) : [];
      // A watch has two: when its answer begins and when it ends.
      const begun = new Map<string, AuditEntry>();
      for (const line of lines.map((text) => JSON.parse(text) as Line)) {
        if (begun.has(line.auditID)) continue;
        const { searchParams } = new URL(line.requestURI, 'https://server');
        begun.set(line.auditID, {
          verb: line.verb,
          resource: line.objectRef.resource,
          isList: line.verb === 'list' || searchParams.has('sendInitialEvents'),
          status: line.responseStatus.code,
          atMs: Date.parse(line.requestReceivedTimestamp),
        });
      }
      return [...begun.values()].filter(({ atMs }) => atMs >= sinceMs);
    },
  };
}
