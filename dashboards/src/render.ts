/**
 * Writes what Grafana and Prometheus read: dashboards, provisioning, rules. `--check` writes nothing and ends with a
 * non-zero status if a committed file is not what would be written.
 * Usage: node dashboards/src/render.ts [--check]
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard';
import { dashboard } from './board.ts';
import { EDGE } from './dashboards/edge.ts';
import { HEALTH } from './dashboards/health.ts';
import { OVERVIEW } from './dashboards/overview.ts';
import { REQUEST } from './dashboards/request.ts';
import { SERVICE_MAP } from './dashboards/service_map.ts';
import { provisioningFiles } from './provisioning.ts';
import { ruleFiles } from './rules/render.ts';
import { ruleTestFiles } from './rules/tests/render.ts';

/** Folders that hold nothing but what is rendered, below dashboards/. */
const FOLDERS = ['grafana', 'provisioning/datasources', 'provisioning/dashboards', 'rules', 'rules/tests'];

/** Every dashboard as Grafana's classic JSON. */
export function dashboards(): Dashboard[] {
  return [OVERVIEW, EDGE, REQUEST, SERVICE_MAP, HEALTH].map(dashboard);
}

/** Text of each rendered file, by its path below dashboards/. */
export function renderedFiles(): ReadonlyMap<string, string> {
  const under = (folder: string, files: ReadonlyMap<string, string>) =>
    [...files].map(([name, text]): [string, string] => [`${folder}/${name}`, text]);
  return new Map([
    ...dashboards().map((one): [string, string] => [`grafana/${one.uid}.json`, `${JSON.stringify(one, null, 2)}\n`]),
    ...under('provisioning', provisioningFiles()),
    ...under('rules', ruleFiles()),
    ...under('rules/tests', ruleTestFiles()),
  ]);
}

/** Paths of files in the rendered folders that are not rendered any more. */
function leftOver(root: string, files: ReadonlyMap<string, string>): string[] {
  return FOLDERS.filter((folder) => existsSync(join(root, folder)))
    .flatMap((folder) =>
      readdirSync(join(root, folder), { withFileTypes: true })
        .filter((entry) => entry.isFile() && !entry.name.startsWith('.'))
        .map((entry) => `${folder}/${entry.name}`),
    )
    .filter((path) => !files.has(path));
}

/** Paths of committed files that differ from what is rendered. */
export function differences(root: string): string[] {
  const files = renderedFiles();
  const changed = [...files].filter(([path, text]) => {
    const file = join(root, path);
    return !existsSync(file) || readFileSync(file, 'utf8') !== text;
  });
  return [...changed.map(([path]) => path), ...leftOver(root, files)];
}

function write(root: string): void {
  const files = renderedFiles();
  for (const [path, text] of files) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  for (const path of leftOver(root, files)) rmSync(join(root, path));
}

if (import.meta.main) {
  const root = fileURLToPath(new URL('..', import.meta.url));
  if (process.argv.includes('--check')) {
    const different = differences(root);
    for (const path of different) {
      console.error(`FLOW_DASHBOARDS_STALE: dashboards/${path} is not what dashboards/src says: run 'make dashboards'`);
    }
    if (different.length > 0) process.exitCode = 1;
  } else write(root);
}
