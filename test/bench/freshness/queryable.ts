/** Asks the query API for requests again and again, and notes when an answer first held each. */
import { setTimeout as sleep } from 'node:timers/promises';

/** Pause between an answer and the next question, milliseconds. */
const PAUSE_MS = 20;
/** More than come between two answers; the newest are told first. */
const MOST_ROWS = 300;

/** What asks. */
export interface Asking {
  /** When an answer that held it had been read, milliseconds since the epoch, by path. */
  readonly firstSeen: ReadonlyMap<string, number>;
  /** How long each answer took, milliseconds. */
  readonly answersMs: readonly number[];
  stop(): Promise<void>;
}

/** Begins to ask for the requests of the last ten seconds. */
export function askForRequests(queryApiUrl: string): Asking {
  const firstSeen = new Map<string, number>();
  const answersMs: number[] = [];
  const stopping = new AbortController();
  const ask = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      const begun = performance.now();
      const response = await fetch(`${queryApiUrl}/v1/requests?since=10s&limit=${MOST_ROWS}`);
      const text = await response.text();
      const read = performance.timeOrigin + performance.now();
      if (!response.ok) throw new Error(`GET /v1/requests: ${text}`);
      answersMs.push(performance.now() - begun);
      for (const { http_path } of (JSON.parse(text) as { data: { http_path: string }[] }).data) {
        if (!firstSeen.has(http_path)) firstSeen.set(http_path, read);
      }
      await sleep(PAUSE_MS, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  };
  const asked = ask();
  asked.catch(() => undefined);
  return {
    firstSeen,
    answersMs,
    async stop() {
      stopping.abort();
      await asked;
    },
  };
}
