/** Edges of a few workloads through the real path, and what the metrics say of them. */
import type { MetricsFormat } from '../../../collector/src/telemetry/metrics_text.ts';
import { metricsText } from '../../../collector/src/telemetry/metrics_text.ts';
import { byName, type MetricFamily, readOpenMetrics } from '../../support/metrics.ts';
import { openPath, type PathOptions } from './path.ts';
import { connection, type Values } from './records.ts';

export type Path = ReturnType<typeof openPath>;

/** What a scraper gets. */
export async function textOf(path: Path, format: MetricsFormat = 'openmetrics'): Promise<string> {
  let text = '';
  for await (const piece of metricsText(path.metrics.families(format), format)) text += piece;
  return text;
}

/** The same, read. */
export const read = async (path: Path): Promise<MetricFamily[]> => readOpenMetrics(await textOf(path));

/** Values of the series about edges, by name and labels. */
export const edgeSeries = async (path: Path): Promise<Map<string, number>> =>
  new Map([...byName(await read(path))].filter(([name]) => name.startsWith('flowspan_')));

/** Workloads are what the processes are called; number 1 is the client, others servers. */
export function openWith(workloads: readonly string[], options: PathOptions = {}): Path {
  const processes = workloads.map((executable, index) => [index + 1, { executable, cgroupPaths: ['/'] }]);
  return openPath({ processes: Object.fromEntries(processes), ...options });
}

/** One end of a connection from the first workload to another, both of them observed. */
export function ends(point: 'client' | 'server', server: number, port = 40_000): Values {
  return connection({
    observation_point: point,
    socket_cookie: point === 'client' ? 1000 + server : 2000 + server,
    pid: point === 'client' ? 1 : server,
    source_port: port,
    destination_address: `10.0.1.${server % 250}`,
    destination_port: 8000 + server,
    netns: point === 'client' ? 1 : 2,
  });
}
