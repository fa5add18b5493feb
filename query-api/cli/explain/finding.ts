/** What `flowspan explain` finds. */

/** Causes, in the words of the findings. */
export const CAUSES = [
  'packet_loss',
  'server_error',
  'reads_late',
  'slow_application',
  'connection_refused',
  'client_abort',
  'accept_queue_overflow',
] as const;

/** One of the causes. */
export type Cause = (typeof CAUSES)[number];

/** One end of an edge. What is not known is null. */
export interface EdgeEnd {
  readonly endpoint_id: string | null;
  readonly namespace: string | null;
  readonly workload: string | null;
  readonly name: string | null;
  /** Where the endpoint is not known: its address, if it has only one. */
  readonly address: string | null;
}

/** Who talks to whom; the source is the client. */
export interface Edge {
  readonly source: EdgeEnd;
  readonly destination: EdgeEnd;
  readonly destination_port: number;
}

/** One number that speaks for the finding. */
export interface Evidence {
  readonly name: string;
  readonly value: number;
  /** requests, segments, connections, packets, ms, or ratio (0 to 1). */
  readonly unit: string;
}

/** One request or connect that shows it. */
export interface Example {
  /** Id for /v1/requests/{id}. */
  readonly id: string;
  readonly text: string;
}

/** One cause on one edge. */
export interface Finding {
  /**
   * `<cause> <source> -> <destination>:<port>`, with both endpoint ids behind it where several edges are called so; unique
   * within an answer.
   */
  readonly id: string;
  readonly cause: Cause;
  readonly edge: Edge;
  /** Requests, connections, or segments (sent again) that show it. */
  readonly count: number;
  /** How many there were of that kind, those included. */
  readonly of: number;
  /** Share of the edge's requests or connects that suffer, from 0 to 1: findings are ordered by it. */
  readonly share: number;
  /** First and last fact in the time asked for; RFC 3339. */
  readonly since: string;
  readonly last: string;
  readonly evidence: readonly Evidence[];
  /** At most three. */
  readonly examples: readonly Example[];
  /** Ids of the findings that explain this one. */
  readonly follows_from: readonly string[];
}
