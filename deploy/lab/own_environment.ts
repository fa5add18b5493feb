/** Flowspan on ports, with a data folder and with names in the kernel of its own. */
import { temporaryFolder } from './folder.ts';
import { pinDirectory } from './pins.ts';
import { freePorts } from './ports.ts';

/** The environment that gives a Flowspan its own ports, data folder, and directory in the BPF filesystem. */
export async function ownEnvironment(): Promise<Record<string, string>> {
  const [store, collector, queryApi] = await freePorts(3);
  return {
    FLOWSPAN_DATA_DIR: temporaryFolder(),
    FLOWSPAN_COLLECTOR_PIN_DIR: pinDirectory(),
    FLOWSPAN_STORE_LISTEN: `127.0.0.1:${store}`,
    FLOWSPAN_COLLECTOR_LISTEN: `127.0.0.1:${collector}`,
    FLOWSPAN_QUERY_API_LISTEN: `127.0.0.1:${queryApi}`,
    FLOWSPAN_CLICKHOUSE_URL: `http://127.0.0.1:${store}`,
    FLOWSPAN_QUERY_API_COLLECTORS: `http://127.0.0.1:${collector}`,
  };
}
