/** What a query API is started with. */
import type { Config } from '../../collector/src/config.ts';

/** Limits of one question; see the `query_api` part of the configuration for units and defaults. */
export type Limits = Pick<
  Config['query_api'],
  | 'max_range_s'
  | 'default_limit'
  | 'max_limit'
  | 'max_execution_s'
  | 'max_rows_to_read'
  | 'max_memory_bytes'
  | 'max_live_clients'
>;

/** Who may ask. */
export interface Access {
  /** Bearer token that every request must carry; empty: none. */
  readonly token: string;
  /** Whether only this machine reaches the API. Then browsers may ask only by a loopback host name. */
  readonly loopback: boolean;
  /** Origins whose pages may open the live feed, beside the API's own. */
  readonly allowedOrigins: readonly string[];
}
