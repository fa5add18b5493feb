/**
 * From where on something is a fault. Few numbers, each with its reason; everything below is normal traffic. A count
 * keeps a handful of facts from being called a pattern, a share keeps a long or busy time from adding up to one.
 */

/**
 * A request that takes this long or longer is slow, in ms. It is the shortest retransmission timeout of Linux: what one
 * lost packet delays is slow, and a person begins to notice.
 */
export const SLOW_MS = 200;

/** Slow requests: the slowest twentieth, so that p95 is beyond SLOW_MS, and enough of them to see where they wait. */
export const SLOW = { count: 5, share: 0.05 } as const;

/** Requests that failed at the server. One in a hundred is what most error budgets do not allow for. */
export const ERRORS = { count: 3, share: 0.01 } as const;

/** Requests that the client gave up. People and schedulers cancel now and then; one in twenty is no longer that. */
export const ABORTS = { count: 3, share: 0.05 } as const;

/**
 * Retransmissions, and segments sent again per segment with payload, of one end. Linux sends one again now and then that
 * was only late, and any network loses a few in a thousand; from half a percent on throughput and latency suffer.
 */
export const LOSS = { count: 5, share: 0.005 } as const;

/** Refused connects. A program that starts meets one or two; one in twenty is no start. */
export const REFUSED = { count: 3, share: 0.05 } as const;

/** Packets that met a full accept queue: each costs its connection a second or more, so that no share is needed. */
export const OVERFLOWS = { count: 3 } as const;

/** A finding follows from another if that happened during this share of its requests. */
export const FOLLOWS_SHARE = 0.5;
