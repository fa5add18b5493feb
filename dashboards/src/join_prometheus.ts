/**
 * Makes an existing Prometheus scrape Flowspan and evaluate its rules: adds the three jobs of dashboards/prometheus.yml
 * and the two rule files to its configuration, where they are not there yet. Comments and order of the file stay; the
 * file as it was stays beside it.
 * Usage: node dashboards/src/join_prometheus.ts PROMETHEUS_YML
 */
import { copyFileSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Document, isMap, isScalar, isSeq, parse, parseDocument, YAMLSeq } from 'yaml';

const OWN = fileURLToPath(new URL('../prometheus.yml', import.meta.url));

interface OwnConfig {
  readonly rule_files: readonly string[];
  readonly scrape_configs: readonly { readonly job_name: string }[];
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

/**
 * What a configuration becomes.
 * @param text of the existing file
 * @param own text of dashboards/prometheus.yml; its rule files are relative to `folder`
 * @returns the text with what was missing, and the names of what was added
 * @throws JoinError if the text is no YAML mapping
 */
export function joined(text: string, own: string, folder: string): { text: string; added: string[] } {
  const document = parseDocument(text);
  const [error] = document.errors;
  if (error !== undefined) throw new JoinError(`it is not YAML: ${error.message}`);
  if (document.contents !== null && !isMap(document.contents)) throw new JoinError('it is not a Prometheus file');
  const { rule_files, scrape_configs } = parse(own) as OwnConfig;
  const added: string[] = [];
  const rules = list(document, 'rule_files');
  for (const file of rule_files.map((name) => resolve(folder, name))) {
    if ((rules.toJSON() as unknown[]).includes(file)) continue;
    rules.add(document.createNode(file));
    added.push(file);
  }
  const jobs = list(document, 'scrape_configs');
  const names = (jobs.toJSON() as { job_name?: string }[]).map((job) => job?.job_name);
  for (const job of scrape_configs.filter(({ job_name }) => !names.includes(job_name))) {
    jobs.add(document.createNode(job));
    added.push(`job ${job.job_name}`);
  }
  return { text: added.length === 0 ? text : document.toString({ lineWidth: 0, flowCollectionPadding: false }), added };
}

function main(file: string): void {
  const { text, added } = joined(readFileSync(file, 'utf8'), readFileSync(OWN, 'utf8'), dirname(OWN));
  if (added.length === 0) {
    console.log(`${file}: all of it is there already`);
    return;
  }
  copyFileSync(file, `${file}.before-flowspan`);
  const { mode } = statSync(file);
  writeFileSync(`${file}.flowspan`, text, { mode });
  renameSync(`${file}.flowspan`, file);
  for (const what of added) console.log(`${file}: added ${what}`);
  console.log(`${file}: reload Prometheus (SIGHUP); for exemplars it needs --enable-feature=exemplar-storage`);
}

if (import.meta.main) {
  const [file, ...more] = process.argv.slice(2);
  try {
    if (file === undefined || more.length > 0) throw new JoinError('name one file: the configuration of Prometheus');
    main(file);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    console.error(code === undefined || message.startsWith(code) ? message : `${code}: ${message}`);
    process.exitCode = 1;
  }
}
