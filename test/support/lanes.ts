/** Which test files may run at the same time, and in which order they begin. */
import { globSync } from 'node:fs';

/**
 * Files that compare no time and look at nobody else's: what they use is their own (folders, ports, stores, API servers,
 * an emulated machine, the cgroups that their collectors watch). They begin in this order: the long ones first, so that
 * none of them is left over at the end.
 * Everything else has this machine, with its cgroups and its tracepoints, to itself and to those, which go behind it
 * (behind.ts).
 */
const BESIDE = [
  'test/native/{kernels,lifetime}.test.ts',
  'test/e2e/{api_server_away,kubernetes}.test.ts',
  'test/query-api/fuzz.test.ts',
  'test/collector/kubernetes/reflector_{server,credentials}.test.ts',
  'test/store/{crash,edge_builds}.test.ts',
  'test/query-api/{corrected,explain,filters,openapi}.test.ts',
  'test/e2e/{host_network,kubernetes_rbac,otel_collector}.test.ts',
  'test/fault/{canaries,catch_up,clock,data_dir,exactly_once*,rights,spool_*}.test.ts',
  'test/collector/kubernetes/*.test.ts',
  'test/fuzz/{http-parser,services,spool-reader,store-front,wire-decoder}.test.ts',
  'test/query-api/!(limits).test.ts',
  'test/store/!(process).test.ts',
  'test/support/**/*.test.ts',
  'test/dashboards/!(panels).test.ts',
  'test/bpf/{http-order,http-parser,wire}.test.ts',
  'test/bpf/policy/{frames,judge,tables,units}.test.ts',
  'test/native/{attach,conntrack,iterate,kernel_here,links,map,object}.test.ts',
  'test/collector/!(clock|delivery|own_spans|run|spans_sender).test.ts',
  'test/collector/{dataplane,govern,policy,policy/http,redirect,services}/*.test.ts',
  'test/e2e/{cli-errors,clickhouse-url,demo-judge,otel_unreachable,own_spans,up-plan}.test.ts',
  'test/bench/**/*.test.ts',
];

/** The files that need the machine, and those that run beside them, each in the order in which they begin. */
export function lanes(files: readonly string[]): { alone: string[]; beside: string[] } {
  const beside = new Set(BESIDE.flatMap((pattern) => globSync(pattern).toSorted()));
  return {
    alone: files.filter((file) => !beside.has(file)),
    beside: [...beside].filter((file) => files.includes(file)),
  };
}
