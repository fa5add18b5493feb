/**
 * Writes what Grafana and Prometheus read: dashboards, provisioning, rules. Usage: see USAGE.
 * Errors: FLOW_DASHBOARDS_STALE, FLOW_DASHBOARDS_FLAG; status 1 and 2.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard';
import { dashboard } from './board.ts';
import { EDGE } from './dashboards/edge.ts';
import { HEALTH } from './dashboards/health.ts';
import { OVERVIEW } from './dashboards/overview.ts';
import { REQUEST } from './dashboards/request.ts';
import { SERVICE_MAP } from './dashboards/service_map.ts';
import { provisioningFiles } from './provisioning.ts';
import { ruleFiles } from './rules/render.ts';
import type { Links } from './rules/rule.ts';
import { ruleTestFiles } from './rules/tests/render.ts';

/** Folders that hold nothing but what is rendered, below dashboards/. */
const FOLDERS = ['grafana', 'provisioning/datasources', 'provisioning/dashboards', 'rules', 'rules/tests'];

const USAGE = `usage: node dashboards/src/render.ts [--check]
       node dashboards/src/render.ts --out DIR [--runbooks URL] [--grafana URL] [--query-api URL]

Without flags it writes the committed files below dashboards/; --check writes nothing and fails where one differs.

  --out DIR        write dashboards, provisioning and rules for an installation to DIR; what else is there stays
  --runbooks URL   where alerts find their runbooks, a folder or an address (default: dashboards/runbooks)
  --grafana URL    Grafana's address in the alerts' links (default: http://127.0.0.1:3000)
  --query-api URL  the query API's address in the alerts' links (default: http://127.0.0.1:7470)`;

const OPTIONS = {
  check: { type: 'boolean' },
  out: { type: 'string' },
  runbooks: { type: 'string' },
  grafana: { type: 'string' },
  'query-api': { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;

/** What the command line asks for. */
interface Flags {
  readonly help: boolean;
  readonly check: boolean;
  /** Absent: the committed files. */
  readonly out?: string;
  readonly links: Partial<Links>;
}

/** A command line that cannot be followed; `code` is FLOW_DASHBOARDS_FLAG. */
export class FlagError extends Error {
  readonly code = 'FLOW_DASHBOARDS_FLAG';
}

/** Every dashboard as Grafana's classic JSON. */
export function dashboards(): Dashboard[] {
  return [OVERVIEW, EDGE, REQUEST, SERVICE_MAP, HEALTH].map(dashboard);
}

const under = (folder: string, files: ReadonlyMap<string, string>) =>
  [...files].map(([name, text]): [string, string] => [`${folder}/${name}`, text]);

/**
 * Text of each file that an installation needs, by its path below the folder.
 * @param links where the alerts' links lead to. Default: to this machine
 */
export function installationFiles(links: Partial<Links> = {}): ReadonlyMap<string, string> {
  return new Map([
    ...dashboards().map((one): [string, string] => [`grafana/${one.uid}.json`, `${JSON.stringify(one, null, 2)}\n`]),
    ...under('provisioning', provisioningFiles()),
    ...under('rules', ruleFiles({ links })),
  ]);
}

/** Text of each committed file, by its path below dashboards/. */
export function renderedFiles(): ReadonlyMap<string, string> {
  return new Map([...installationFiles(), ...under('rules/tests', ruleTestFiles())]);
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

function write(root: string, files: ReadonlyMap<string, string>): void {
  for (const [path, text] of files) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
}

/** Address without a slash at its end; a query or a fragment would swallow what is appended. */
function address(flag: string, value: string): string {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== '')
    throw new FlagError(`--${flag} ${value}: not an http address; give one such as http://127.0.0.1:3000`);
  return value.replace(/\/+$/, '');
}

/** @throws FlagError if the flags are not those of USAGE */
function parseFlags(argv: readonly string[]): Flags {
  let values: ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>['values'];
  try {
    ({ values } = parseArgs({ args: [...argv], options: OPTIONS, strict: true, allowPositionals: false }));
  } catch (error) {
    throw new FlagError((error as Error).message);
  }
  const { help = false, check = false, out, runbooks, grafana, 'query-api': queryApi } = values;
  if (out === '' || runbooks === '') throw new FlagError(`--${out === '' ? 'out' : 'runbooks'} is empty`);
  const links = {
    ...(runbooks === undefined ? {} : { runbooks: runbooks.replace(/(?<=.)\/+$/, '') }),
    ...(grafana === undefined ? {} : { grafana: address('grafana', grafana) }),
    ...(queryApi === undefined ? {} : { queryApi: address('query-api', queryApi) }),
  };
  if (out === undefined && Object.keys(links).length > 0)
    throw new FlagError('links are rendered for an installation: say with --out DIR where to');
  if (out !== undefined && check) throw new FlagError('--check compares the committed files: leave out --out');
  return { help, check, links, ...(out === undefined ? {} : { out }) };
}

function main({ help, check, out, links }: Flags): void {
  const root = fileURLToPath(new URL('..', import.meta.url));
  if (help) console.log(USAGE);
  else if (check) {
    const different = differences(root);
    for (const path of different) {
      console.error(`FLOW_DASHBOARDS_STALE: dashboards/${path} is not what dashboards/src says: run 'make dashboards'`);
    }
    if (different.length > 0) process.exitCode = 1;
  } else if (out !== undefined) {
    write(resolve(out), installationFiles(links));
    console.log(`${resolve(out)}: wrote grafana/, provisioning/ and rules/`);
  } else {
    const files = renderedFiles();
    write(root, files);
    for (const path of leftOver(root, files)) rmSync(join(root, path));
  }
}

if (import.meta.main) {
  try {
    main(parseFlags(process.argv.slice(2)));
  } catch (error) {
    if (!(error instanceof FlagError)) throw error;
    console.error(`${error.code}: ${error.message}\n\n${USAGE}`);
    process.exitCode = 2;
  }
}
