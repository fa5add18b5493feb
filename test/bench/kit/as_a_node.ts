/** How Flowspan runs for a user, where startFlowspan would start it as tests need it. */

/** How often rows of open connections come, by default; tests have them more often. */
export const FLOW_INTERVAL_S = '10';

/**
 * As on a node of its own: a client that is not observed is another machine's, whose sockets nobody looks at. The governor
 * is off, because rows are counted.
 */
export const AS_A_NODE = {
  FLOWSPAN_COLLECTOR_FLOW_INTERVAL_S: FLOW_INTERVAL_S,
  FLOWSPAN_COLLECTOR_CGROUP_ROOT_ONLY: 'true',
} as const;

/** The same with the governor on. */
export const GOVERNED = { ...AS_A_NODE, FLOWSPAN_COLLECTOR_GOVERNOR_ENABLED: 'true' } as const;
