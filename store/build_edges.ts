/** One look at which minutes of edges_1m are to be built, and the builds. */
import { BUILD_SETTINGS, buildSql, dirtyMinutesSql, EDGE_HOLD_BACK_S, nextMinutes } from './edge_builds.ts';

/** Most builds one after the other; what is left waits for the next look. */
const MOST_BUILDS = 20;

/** What builds need of a database: ClickHouse itself, or the embedded engine. */
export interface EdgeDatabase {
  /** Rows of a SELECT with one column `minute`, seconds since the epoch. */
  minutes(sql: string): Promise<readonly { readonly minute: number }[]>;
  build(sql: string, settings: Readonly<Record<string, string>>): Promise<void>;
}

export interface LookOptions {
  readonly database: string;
  /** Builds only if a minute has waited longer than this for somebody else to do it, seconds. */
  readonly patienceS: number;
  /** Told before each build how long the oldest minute has waited, seconds; 0 at the end if nothing is left. */
  readonly behind?: (seconds: number) => void;
  readonly signal: AbortSignal;
}

/**
 * Builds what is to be built. Several may do so at once: a build says what a minute holds, whoever makes it.
 * @returns minutes that were built
 * @throws whatever the database throws; what was built until then stays
 */
export async function buildEdges(
  edges: EdgeDatabase,
  { database, patienceS, behind, signal }: LookOptions,
): Promise<number> {
  // A minute that something has just come in for stays dirty for a while after it was built: it is built once a look.
  const built = new Set<number>();
  for (let builds = 0; !signal.aborted; builds++) {
    const rows = await edges.minutes(dirtyMinutesSql(database));
    const dirty = rows.map(({ minute }) => minute).filter((minute) => !built.has(minute));
    const oldest = dirty[0];
    const behindS = oldest === undefined ? 0 : Date.now() / 1000 - (oldest + 60 + EDGE_HOLD_BACK_S);
    behind?.(behindS);
    if (oldest === undefined || builds === MOST_BUILDS) break;
    if (built.size === 0 && behindS < patienceS) break;
    const minutes = nextMinutes(dirty);
    await edges.build(buildSql(database, minutes), BUILD_SETTINGS);
    for (const minute of minutes) built.add(minute);
  }
  return built.size;
}
