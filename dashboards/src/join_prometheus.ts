/**
 * Makes an existing Prometheus scrape Flowspan and evaluate its rules: copies the two rule files to `rules/flowspan/`
 * beside its configuration, where its own user can read them, and adds them and the three jobs of
 * dashboards/prometheus.yml to it, where they are not there yet. Comments and order of the file stay; the file as it was
 * stays beside it.
 * Usage: node dashboards/src/join_prometheus.ts [--rules DIR] PROMETHEUS_YML
 *   --rules DIR  folder of the rule files, as `render.ts --out` writes it. Default: dashboards/rules
 */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type Document, isMap, isScalar, isSeq, parse, parseDocument, YAMLSeq } from 'yaml';

const OWN = fileURLToPath(new URL('../prometheus.yml', import.meta.url));

/** Where the rule files are copied to, beside the configuration; it names them relative to itself. */
const RULES_FOLDER = 'rules/flowspan';

interface Job {
  readonly job_name?: string;
  readonly static_configs?: readonly { readonly targets?: readonly string[] }[];
}

interface OwnConfig {
  readonly rule_files: readonly string[];
  readonly scrape_configs: readonly Job[];
}

/** What a configuration becomes. */
export interface Joined {
  readonly text: string;
  /** What was missing, and what is there otherwise and was kept, in words. */
  readonly added: readonly string[];
  readonly kept: readonly string[];
}

/** A configuration that cannot be added to; `code` is FLOW_DASHBOARDS_PROMETHEUS. */
export class JoinError extends Error {
  readonly code = 'FLOW_DASHBOARDS_PROMETHEUS';
}

/** The list under a key of the document; an empty one is made where there is none. */
function list(document: Document, key: string): YAMLSeq {
  const found = document.get(key, true);
  if (isSeq(found)) return found;
  if (found !== undefined && !(isScalar(found) && found.value === null))
    throw new JoinError(`${key} is not a list; correct the file first`);
  const made = new YAMLSeq();
  // Debian's own file has nothing but comments there.
  made.commentBefore = found?.comment ?? found?.commentBefore ?? null;
  document.set(key, made);
  return made;
}

const targets = (job: Job) => (job.static_configs ?? []).flatMap((one) => one.targets ?? []).join(', ');

/** Names the rule files, in the place of those of this clone that an earlier version named. */
function addRules(document: Document, names: readonly string[]): string[] {
  const rules = list(document, 'rule_files');
  return names.flatMap((name) => {
    const file = `${RULES_FOLDER}/${basename(name)}`;
    const known = rules.toJSON() as unknown[];
    if (known.includes(file)) return [];
    const before = known.indexOf(resolve(dirname(OWN), name));
    if (before >= 0) rules.set(before, file);
    else rules.add(document.createNode(file));
    return [file];
  });
}

/**
 * What a configuration becomes.
 * @param text of the existing file
 * @param own text of dashboards/prometheus.yml
 * @throws JoinError if the text is no YAML mapping
 */
export function joined(text: string, own: string): Joined {
  const document = parseDocument(text);
  const [error] = document.errors;
  if (error !== undefined) throw new JoinError(`it is not YAML: ${error.message}`);
  if (document.contents !== null && !isMap(document.contents)) throw new JoinError('it is not a Prometheus file');
  const { rule_files, scrape_configs } = parse(own) as OwnConfig;
  const added = addRules(document, rule_files);
  const kept: string[] = [];
  const jobs = list(document, 'scrape_configs');
  const present = new Map((jobs.toJSON() as (Job | null)[]).map((job) => [job?.job_name, job]));
  for (const job of scrape_configs) {
    const same = present.get(job.job_name);
    if (!same) {
      jobs.add(document.createNode(job));
      added.push(`job ${job.job_name}`);
    } else if (targets(same) !== targets(job)) {
      kept.push(`job ${job.job_name} as it is: its targets are ${targets(same) || 'not static'}, not ${targets(job)}`);
    }
  }
  const changed = added.length > 0;
  return { text: changed ? document.toString({ lineWidth: 0, flowCollectionPadding: false }) : text, added, kept };
}

/** Copies the rule files that differ, for every user to read; returns where to. */
function copyRules(from: string, beside: string): string[] {
  const folder = join(dirname(beside), RULES_FOLDER);
  const { rule_files } = parse(readFileSync(OWN, 'utf8')) as OwnConfig;
  const texts = rule_files.map((name) => ({ name: basename(name), text: readFileSync(join(from, basename(name))) }));
  // The mode that mkdir is given is narrowed by umask.
  for (const made of [dirname(folder), folder]) {
    if (existsSync(made)) continue;
    mkdirSync(made);
    chmodSync(made, 0o755);
  }
  return texts.flatMap(({ name, text }) => {
    const file = join(folder, name);
    if (existsSync(file) && readFileSync(file).equals(text)) return [];
    writeFileSync(file, text);
    chmodSync(file, 0o644);
    return [file];
  });
}

function main(file: string, rules: string): void {
  const { text, added, kept } = joined(readFileSync(file, 'utf8'), readFileSync(OWN, 'utf8'));
  const copied = copyRules(rules, file);
  for (const path of copied) console.log(`${path}: copied from ${rules}`);
  for (const what of kept) console.log(`${file}: kept ${what}`);
  if (added.length === 0 && copied.length === 0) {
    console.log(`${file}: all of it is there already`);
    return;
  }
  if (added.length > 0) {
    copyFileSync(file, `${file}.before-flowspan`);
    const { mode } = statSync(file);
    writeFileSync(`${file}.flowspan`, text, { mode });
    renameSync(`${file}.flowspan`, file);
  }
  for (const what of added) console.log(`${file}: added ${what}`);
  console.log(`${file}: reload Prometheus (SIGHUP); for exemplars it needs --enable-feature=exemplar-storage`);
}

function flags(argv: readonly string[]): { file: string; rules: string } {
  const options = { rules: { type: 'string' } } as const;
  let parsed: { values: { rules?: string | undefined }; positionals: string[] };
  try {
    parsed = parseArgs({ args: [...argv], options, strict: true, allowPositionals: true });
  } catch (error) {
    throw new JoinError((error as Error).message);
  }
  const [file, ...more] = parsed.positionals;
  if (file === undefined || more.length > 0) throw new JoinError('name one file: the configuration of Prometheus');
  return { file, rules: parsed.values.rules ?? join(dirname(OWN), 'rules') };
}

if (import.meta.main) {
  try {
    const { file, rules } = flags(process.argv.slice(2));
    main(file, rules);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    console.error(code === undefined || message.startsWith(code) ? message : `${code}: ${message}`);
    process.exitCode = 1;
  }
}
