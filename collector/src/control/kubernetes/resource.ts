/** What is mirrored of the Kubernetes API server, and what is told of it. */
import type { Traffic } from './api.ts';
import { API_BACKOFF, type BackoffOptions } from './backoff.ts';
import type { Kept } from './pruned_json.ts';

/**
 * What a reflector tells. Objects are plain parsed JSON of one item; who receives them keeps only what it needs. A
 * list that breaks off is followed by another `begin`; its items were true all the same.
 */
export interface ResourceSink {
  /** A full list begins; what is known stays known. */
  begin(): void;
  /** One item of it; once the list is complete, what was not told as item or changed since `begin` is gone. */
  item(object: unknown): void;
  end(): void;
  changed(object: unknown): void;
  /** Also told, with name, namespace and uid alone, for an object that became too large to be read. */
  deleted(object: unknown): void;
}

export interface Resource {
  /** From the root of the API, as `/api/v1/pods`. */
  readonly path: string;
  /** Only metadata is asked for. Default: whole objects. */
  readonly metadataOnly?: boolean;
  /** What of its objects is told; the rest is not even parsed. Default: all. */
  readonly fields?: Kept;
  /** The server may not know it, as where nobody has installed its definition: then there is none of it. */
  readonly isOptional?: boolean;
}

export interface ReflectorTiming {
  /** The server is asked to end a watch after one to two times this, seconds. */
  readonly watchSeconds: number;
  /** Longest silence in a watch, milliseconds: more than twice the minute after which a bookmark comes. */
  readonly watchSilenceMs: number;
  /** Longest silence in a paged list, milliseconds. */
  readonly listSilenceMs: number;
  /** Streaming lists that were refused are tried again after this, milliseconds. */
  readonly streamingAgainMs: number;
  /** What the server does not have is asked for again after this, milliseconds. */
  readonly absentAgainMs: number;
  readonly backoff: BackoffOptions;
}

/** The defaults; the API server itself gives a list one minute. */
export const REFLECTOR_TIMING: ReflectorTiming = {
  watchSeconds: 300,
  watchSilenceMs: 150_000,
  listSilenceMs: 65_000,
  streamingAgainMs: 3_600_000,
  absentAgainMs: 300_000,
  backoff: API_BACKOFF,
};

export interface ReflectorState extends Traffic {
  /** A list was complete once. What is known may be stale: see lastEventMs. */
  synced: boolean;
  /** The server does not have this resource, and may do without. */
  isAbsent: boolean;
  /** Wall clock of the last item, event or bookmark, milliseconds since the epoch; 0: none yet. */
  lastEventMs: number;
  /** Up to lastEventMs every change has been told since then, milliseconds since the epoch; Infinity: none is sure to be. */
  watchedSinceMs: number;
  /** Full lists that were begun after the first one was complete. */
  relists: number;
  /** Objects too large to be read, or that the sink could not take. */
  skipped: number;
  /** Last version heard of; empty before the first list, and when only a new list helps. */
  resourceVersion: string;
}

/** Header Accept; a server that cannot leave anything out sends all. */
export function accepted({ metadataOnly = false }: Resource, as: string): string {
  return metadataOnly ? `application/json;as=${as};g=meta.k8s.io;v=v1,application/json` : 'application/json';
}
