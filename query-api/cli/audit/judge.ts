/** Judges whether every record is accounted for: each run by its own counters, each node by what the store has of it. */
import type { AuditedNode } from '../../src/audit.ts';
import {
  type Counts,
  type Fates,
  fatesOf,
  lostRows,
  RECORD_KINDS,
  rowsWaiting,
  STORED_KINDS,
} from '../../src/record_fates.ts';

/** What a collector's GET /status answers, as far as it is audited. */
export interface LiveCounters {
  readonly cluster: string;
  readonly node: string;
  readonly boot_id: string;
  readonly started: string;
  readonly counters: Readonly<Record<string, Counts>>;
  /** What the collector discarded, by reason; here those matter that no kind is known of. */
  readonly discards?: Readonly<Record<string, number>>;
  /** Rows that wait, by kind. */
  readonly rows_waiting: Readonly<Record<string, number>>;
  readonly ring_bytes: number;
}

/**
 * How a run is known: `running` by its collector's own counters of this moment; `stopped` by its last report, which is
 * all there is to know; `killed` up to its last report; `silent` likewise, and it may run yet.
 */
export type RunState = 'running' | 'stopped' | 'killed' | 'silent';

export interface JudgedRun {
  readonly boot_id: string;
  readonly started: string;
  readonly state: RunState;
  /** Until when its last report tells; empty for one that runs. */
  readonly reported: string;
  readonly kinds: Readonly<Record<string, Fates>>;
}

/** Rows in the store beside what the runs say that must be there. */
export interface JudgedRows {
  /** Null if they were not counted. */
  readonly in_store: number | null;
  /** At least and at most; the same where nothing was on its way. */
  readonly expected: readonly [number, number];
}

export interface JudgedNode {
  readonly cluster: string;
  readonly node: string;
  readonly runs: readonly JudgedRun[];
  readonly rows: Readonly<Record<string, JudgedRows>>;
  /** What does not add up; empty if all does. */
  readonly wrong: readonly string[];
  /** What cannot be known, and why. */
  readonly unknown: readonly string[];
}

/** Counters of a run before and after the store was asked. */
interface Run {
  readonly boot_id: string;
  readonly started: string;
  readonly reported: string;
  readonly state: RunState;
  readonly before: Readonly<Record<string, Counts>>;
  readonly after: Readonly<Record<string, Counts>>;
  readonly live: LiveCounters | undefined;
}

/** Text to numbers. */
function numbers(counters: AuditedNode['runs'][number]['counters']): Record<string, Counts> {
  const kinds = Object.entries(counters).map(([kind, counts]) => {
    const plain = Object.entries(counts).map(([name, count]) => [name, Number(count)] as const);
    return [kind, Object.fromEntries(plain)] as const;
  });
  return Object.fromEntries(kinds);
}

/** The run that is under way, as its collector told it before and after the store was asked. */
function runningRun(boot_id: string, before: LiveCounters, after: LiveCounters): Run {
  return {
    boot_id,
    started: after.started,
    reported: '',
    state: 'running',
    before: before.counters,
    after: after.counters,
    live: after,
  };
}

function runsOf(node: AuditedNode, before: LiveCounters | undefined, after: LiveCounters | undefined): Run[] {
  const runs = node.runs.map((run, index): Run => {
    const counters = numbers(run.counters);
    const { boot_id, started, reported } = run;
    if (before !== undefined && after?.started === started && before.started === started) {
      return runningRun(boot_id, before, after);
    }
    const isLast = index === node.runs.length - 1 && (after === undefined || after.started <= started);
    const state = run.ended ? 'stopped' : isLast ? 'silent' : 'killed';
    return { boot_id, started, reported, state, before: counters, after: counters, live: undefined };
  });
  // one that runs and has not reported yet
  if (before !== undefined && after !== undefined && !runs.some(({ state }) => state === 'running')) {
    runs.push(runningRun(after.boot_id, before, after));
  }
  return runs;
}

function fatesOfRun({ state, after, live }: Run): Record<string, Fates> {
  const kinds = RECORD_KINDS.map((kind) => {
    const counts = after[kind] ?? {};
    if (live !== undefined) {
      const inFlight = { ringsHold: live.ring_bytes > 0, waiting: live.rows_waiting[kind] ?? 0 };
      return [kind, fatesOf(counts, inFlight)] as const;
    }
    return [kind, fatesOf(counts, { ringsHold: state !== 'stopped', waiting: undefined })] as const;
  });
  return Object.fromEntries(kinds);
}

/** Rows of these runs that must be in the store: those that were written and neither were lost nor still wait. */
function expectedRows(runs: readonly Run[], kind: string): readonly [number, number] {
  const sum = (value: (run: Run) => number) => runs.reduce((total, run) => total + value(run), 0);
  const settled = (counts: Counts = {}) => (counts.rows ?? 0) - lostRows(counts);
  const last = runs.at(-1);
  const least = sum(({ before }) => settled(before[kind])) - rowsWaiting(last?.before[kind] ?? {});
  // what waits may have been stored, and its answer be on the way
  const most = sum(({ after }) => settled(after[kind]));
  // Rows of a boot that is not looked at may be among those that wait or were lost, and are none of this node's count.
  const foreign = runs[0]?.after[kind]?.left_over ?? 0;
  const gone = sum(({ after }) => lostRows(after[kind] ?? {}));
  return [least, most + Math.min(foreign, gone)];
}

/**
 * Rows that waited when killed runs reported last: what became of them until the kill, and was lost, nobody counted.
 * The last run's are none that must be in the store anyway.
 */
function mayBeLost(runs: readonly Run[], kind: string): number {
  const killed = runs.slice(0, -1).filter(({ state }) => state === 'killed');
  return killed.reduce((total, { after }) => total + rowsWaiting(after[kind] ?? {}), 0);
}

/** Of what was discarded for these reasons nobody knows the kind. */
const UNREADABLE = ['ring_record_malformed', 'record_bytes_malformed', 'record_kind_unknown'];

/** Judges one node. `before` and `after`: what its collector said before and after the store was asked. */
export function judgeNode(
  node: AuditedNode,
  before: LiveCounters | undefined,
  after: LiveCounters | undefined,
): JudgedNode {
  const runs = runsOf(node, before, after);
  const judged = runs.map((run) => {
    const { boot_id, started, state, reported } = run;
    return { boot_id, started, state, reported, kinds: fatesOfRun(run) };
  });
  const killed = judged.filter(({ state }) => state === 'killed');
  const silent = judged.filter(({ state }) => state === 'silent');
  const wrong: string[] = [];
  const unknown = [
    ...killed.map(
      ({ started, reported }) =>
        `the run since ${started} was killed: what it wanted to write after its report of ${reported} is not known (restart)`,
    ),
    ...silent.map(
      ({ started, reported }) =>
        `the collector that runs since ${started} was not asked: its counters are those of its report of ${reported}; name it with --collector`,
    ),
  ];
  const unread = UNREADABLE.reduce((total, reason) => total + (after?.discards?.[reason] ?? 0), 0);
  if (unread > 0) {
    unknown.push(`${unread} records or bytes in the rings could not be read: which records they were is not known`);
  }
  for (const { started, state, kinds } of judged) {
    if (state === 'running' && unread > 0) continue;
    for (const [kind, { difference, wanted }] of Object.entries(kinds)) {
      if (difference !== 0)
        wrong.push(`${difference} of ${wanted} ${kind} records of the run since ${started} are unaccounted for`);
    }
  }
  const rows: Record<string, JudgedRows> = {};
  for (const kind of STORED_KINDS) {
    const counted = node.stored[kind] ?? null;
    const expected = expectedRows(runs, kind);
    const in_store = counted === null ? null : Number(counted);
    rows[kind] = { in_store, expected };
    if (in_store === null)
      unknown.push(`there are too many ${kind} rows to count them within the limits of the query API`);
    else if (node.expired_before !== null) continue;
    else if (in_store < expected[0] - mayBeLost(runs, kind))
      wrong.push(`${expected[0] - in_store} ${kind} rows that were acknowledged are not in the store`);
    else if (in_store < expected[0]) {
      unknown.push(
        `${expected[0] - in_store} ${kind} rows are not in the store, of those that waited when a killed run reported last: they may have been lost before it was killed`,
      );
    } else if (in_store > expected[1] && killed.length + silent.length === 0) {
      wrong.push(
        `${in_store - expected[1]} ${kind} rows more are in the store than were written: something was stored twice`,
      );
    } else if (in_store > expected[1]) {
      unknown.push(
        `${in_store - expected[1]} ${kind} rows in the store were written after the last report that is known`,
      );
    }
  }
  if (node.expired_before !== null) {
    unknown.push(
      `rows before ${node.expired_before} have expired: the store's rows cannot be compared with what was written`,
    );
  }
  return { cluster: node.cluster, node: node.node, runs: judged, rows, wrong, unknown };
}

/** Whether nothing was on its way, so that each number is compared with one number. */
export function isAtRest({ rows }: JudgedNode): boolean {
  return Object.values(rows).every(({ expected: [least, most] }) => least === most);
}
