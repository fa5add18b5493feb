/** Flowspan on ports and with a data folder of its own. */
import { temporaryFolder } from './folder.ts';
import { freePorts } from './ports.ts';

/** The environment that gives a Flowspan its own ports and data folder. */
export async function ownEnvironment(): Promise<Record<string, string>> {
  const [store, collector, queryApi] = await freePorts(3);
  return {
    FLOWSPAN_DATA_DIR: temporaryFolder(),
    FLOWSPAN_COLLECTOR_PIN_DIR: '',
    FLOWSPAN_STORE_LISTEN: `127.0.0.1:${store}`,
    FLOWSPAN_COLLECTOR_LISTEN: `127.0.0.1:${collector}`,
    FLOWSPAN_QUERY_API_LISTEN: `127.0.0.1:${queryApi}`,
    FLOWSPAN_CLICKHOUSE_URL: `http://127.0.0.1:${store}`,
    FLOWSPAN_QUERY_API_COLLECTORS: `http://127.0.0.1:${collector}`,
  };
}
