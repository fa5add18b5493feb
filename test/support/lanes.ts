/** Which test files may run at the same time. */
import { globSync } from 'node:fs';

/**
 * Files that compare no time and look at nobody else's: what they use is their own (folders, ports, stores, API servers,
 * an emulated machine, the cgroups that their collectors watch).
 * Everything else has this machine, with its cgroups, its tracepoints and its two cores, to itself and one of these.
 */
const BESIDE = [
  'test/bench/kit/{kit,names}.test.ts',
  'test/bench/traffic/*.test.ts',
  'test/collector/{routes,scrapes}.test.ts',
  'test/collector/kubernetes/!(*_collector).test.ts',
  'test/dashboards/!(panels).test.ts',
  'test/e2e/{api_server_away,host_network,kubernetes,kubernetes_rbac}.test.ts',
  'test/fault/{catch_up,clock,exactly_once,spool_blocks,spool_budget,spool_disk,spool_kill,spool_sync}.test.ts',
  'test/fuzz/{http-parser,spool-reader,store-front,wire-decoder}.test.ts',
  'test/native/kernels.test.ts',
  'test/query-api/*.test.ts',
  'test/store/*.test.ts',
  'test/support/**/*.test.ts',
];

/** The files in lanes, each of which runs one file after the other. */
export function lanes(files: readonly string[]): string[][] {
  const beside = new Set(globSync(BESIDE));
  return [files.filter((file) => !beside.has(file)), files.filter((file) => beside.has(file))];
}
