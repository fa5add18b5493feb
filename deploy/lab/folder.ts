/** Folders that are removed at the process's end. */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { note } from './registry.ts';

/** Makes an empty folder. */
export function temporaryFolder(): string {
  const path = mkdtempSync(join(tmpdir(), 'fs-test-'));
  note('folder', path);
  return path;
}
