/** The real OpenTelemetry Collector: OTLP in over HTTP, the batch processor, the file exporter out. */
import { existsSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Cgroup, createCgroup } from '../../../deploy/lab/cgroup.ts';
import { temporaryFolder } from '../../../deploy/lab/folder.ts';
import { start } from '../../../deploy/lab/program.ts';
import { eventually } from '../../../deploy/lab/wait.ts';
import { freePorts } from '../../support/flowspan.ts';
import { pinned } from '../kit/cpu.ts';
import { bodiesOf, spansIn } from './spans.ts';

const FIXTURES = process.env.FLOWSPAN_FIXTURES ?? join(import.meta.dirname, '../../../fixtures');
const PROGRAM = join(FIXTURES, 'bin', 'otelcol');
const STARTED_MS = 20_000;
const WRITTEN_MS = 20_000;

/** What the file exporter writes: its default, or what it is quickest at. */
export type Format = 'json' | 'proto';

export interface OtelCollector {
  readonly port: number;
  readonly cgroup: Cgroup;
  /** Waits until the file holds so many spans, counts them, and empties it. @throws if they do not come, or more do */
  written(spans: number): Promise<{ bytes: number }>;
  stop(): Promise<void>;
}

/**
 * Starts it, with its defaults where they matter: batches of 8192 spans or 200 ms.
 * @throws if it has not been built
 */
export async function startOtelCollector(format: Format, cores: string): Promise<OtelCollector> {
  if (!existsSync(PROGRAM)) throw new Error('FLOW_BENCH_PEER: fixtures/bin/otelcol is missing; run `make fixtures`');
  const [port = 0] = await freePorts(1);
  const folder = temporaryFolder();
  const [file, config] = [join(folder, 'spans'), join(folder, 'otelcol.yaml')];
  writeFileSync(
    config,
    `receivers:
  otlp: {protocols: {http: {endpoint: '127.0.0.1:${port}'}}}
processors:
  batch: {}
exporters:
  file: {path: '${file}', format: ${format}, append: true}
service:
  telemetry: {metrics: {level: none}, logs: {level: warn}}
  pipelines:
    traces: {receivers: [otlp], processors: [batch], exporters: [file]}
`,
  );
  const cgroup = createCgroup();
  const program = start({ cgroup }, pinned(cores, [PROGRAM, '--config', config]));
  await eventually(
    'the OpenTelemetry Collector',
    async () => {
      if (program.process.exitCode !== null) throw new Error(`it ended early\n${program.output()}`);
      const answer = await fetch(`http://127.0.0.1:${port}/v1/traces`).catch(() => undefined);
      await answer?.arrayBuffer();
      return answer !== undefined;
    },
    STARTED_MS,
  );
  return {
    port,
    cgroup,
    async written(spans) {
      let counted = 0;
      let bytes = 0;
      await eventually(
        `${spans} spans in the file, of which there are ${counted}`,
        () => {
          const text = readFileSync(file);
          bytes = text.length;
          counted = format === 'json' ? occurrences(text, '"spanId":') : countBinary(text);
          return counted >= spans;
        },
        WRITTEN_MS,
      );
      if (counted !== spans) throw new Error(`FLOW_BENCH_SPANS: ${counted} spans were written of ${spans}`);
      truncateSync(file);
      return { bytes };
    },
    stop: () => program.stop(),
  };
}

/** A last body that is not whole yet is left out. */
function countBinary(bytes: Buffer): number {
  return bodiesOf(bytes).reduce((sum, body) => sum + spansIn(body), 0);
}

function occurrences(bytes: Buffer, text: string): number {
  let count = 0;
  for (let at = bytes.indexOf(text); at !== -1; at = bytes.indexOf(text, at + text.length)) count += 1;
  return count;
}
