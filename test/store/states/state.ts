/** A schema that some version made, as recorded in a file of this folder. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Stands for the database's name in recorded statements. */
export const PLACEHOLDER = 'recorded_state';

/** What a file holds. */
export interface RecordedState {
  readonly schema_hash: string;
  /** CREATE statements in the order in which they can be run. */
  readonly statements: readonly string[];
}

/** All recorded states by name, oldest first. */
export function recordedStates(): [string, RecordedState][] {
  return readdirSync(import.meta.dirname)
    .filter((file) => file.endsWith('.json'))
    .sort()
    .map((file) => [file.slice(0, -5), JSON.parse(readFileSync(join(import.meta.dirname, file), 'utf8'))]);
}
