/** Limits of queries that are not in the configuration. */

/** Most rows that one query may give: pages are far smaller, pairing looks at more. */
export const MAX_RESULT_ROWS = 1_000_000;
