/** One look at which minutes of edges_1m and hours of edges_1h are to be built, and the builds. */
import { BUILD_SETTINGS, buildSql, dirtyMinutesSql, EDGE_HOLD_BACK_S, nextMinutes } from './edge_builds.ts';
import { buildHourSql, hourBuiltSql, hourOf, hoursChangeSql, unbuiltHoursSql } from './edge_hours.ts';

/** Most builds of minutes one after the other; what is left waits for the next look. */
const MOST_BUILDS = 20;

/** What builds need of a database: ClickHouse itself, or the embedded engine. */
export interface EdgeDatabase {
  /** Rows of a SELECT. */
  rows<Row>(sql: string): Promise<readonly Row[]>;
  /** Runs an INSERT. */
  build(sql: string, settings: Readonly<Record<string, string>>): Promise<void>;
}

export interface LookOptions {
  readonly database: string;
  /** Builds only what has waited longer than this for somebody else to do it, seconds. */
  readonly patienceS: number;
  /** Told before each build how long the oldest minute has waited, seconds; 0 at the end if nothing is left. */
  readonly behind?: (seconds: number) => void;
  readonly signal: AbortSignal;
}

/**
 * Builds what is to be built. Several may do so at once: a build says what a minute or an hour holds, whoever makes it.
 * @returns minutes and hours that were built
 * @throws whatever the database throws; what was built until then stays
 */
export async function buildEdges(edges: EdgeDatabase, options: LookOptions): Promise<number> {
  const { built, left } = await buildMinutes(edges, options);
  return built + (await buildHours(edges, options, left));
}

/** Returns how many were built, and those that are still to be. */
async function buildMinutes(edges: EdgeDatabase, { database, patienceS, behind, signal }: LookOptions) {
  // A minute that something has just come in for stays dirty for a while after it was built: it is built once a look.
  const built = new Set<number>();
  let dirty: number[] = [];
  for (let builds = 0; !signal.aborted; builds++) {
    const rows = await edges.rows<{ minute: number }>(dirtyMinutesSql(database));
    dirty = rows.map(({ minute }) => minute).filter((minute) => !built.has(minute));
    const oldest = dirty[0];
    const behindS = oldest === undefined ? 0 : Date.now() / 1000 - (oldest + 60 + EDGE_HOLD_BACK_S);
    behind?.(behindS);
    if (oldest === undefined || builds === MOST_BUILDS) break;
    if (built.size === 0 && behindS < patienceS) break;
    const minutes = nextMinutes(dirty);
    await edges.build(hoursChangeSql(database, minutes), BUILD_SETTINGS);
    await edges.build(buildSql(database, minutes), BUILD_SETTINGS);
    for (const minute of minutes) built.add(minute);
  }
  return { built: built.size, left: dirty };
}

/** Hours with minutes that are still to be built wait for those. Returns how many were built. */
async function buildHours(
  edges: EdgeDatabase,
  { database, patienceS, signal }: LookOptions,
  left: readonly number[],
): Promise<number> {
  const unfinished = new Set(left.map(hourOf));
  const found = await edges.rows<{ hour: number; begun: string }>(unbuiltHoursSql(database, patienceS));
  const hours = found.filter(({ hour }) => !unfinished.has(hour));
  let built = 0;
  for (const { hour, begun } of hours) {
    if (signal.aborted) break;
    await edges.build(buildHourSql(database, hour), BUILD_SETTINGS);
    await edges.build(hourBuiltSql(database, hour, begun), BUILD_SETTINGS);
    built += 1;
  }
  return built;
}
