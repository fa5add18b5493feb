/** Who Flowspan's processes are to ClickHouse. */

import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Config, ConfigError } from './config.ts';

/** User and password, as `@clickhouse/client` names them. */
export interface Account {
  readonly username: string;
  readonly password: string;
}

/**
 * The account that writes: `clickhouse.user` where it is set, else the embedded store's writer. Its password, when the
 * configuration gives none, is the one in `<data_dir>/writer_password` (mode 0600), made by whoever asks first.
 * @throws ConfigError FLOW_CONFIG_FILE if that file can be neither read nor made
 */
export function writerAccount(config: Config): Account {
  const { clickhouse, store } = config;
  if (clickhouse.user !== '') return { username: clickhouse.user, password: clickhouse.password };
  return { username: store.writer_user, password: store.writer_password || keptPassword(config.data_dir) };
}

/** The account that reads: `clickhouse.user` where it is set, else the embedded store's reader. */
export function readerAccount(config: Config): Account {
  const { clickhouse, store } = config;
  if (clickhouse.user !== '') return { username: clickhouse.user, password: clickhouse.password };
  return { username: store.reader_user, password: store.reader_password };
}

function keptPassword(directory: string): string {
  const path = join(directory, 'writer_password');
  try {
    if (!existsSync(path)) {
      mkdirSync(directory, { recursive: true });
      makeOnce(path);
    }
    return readFileSync(path, 'utf8').trim();
  } catch (cause) {
    throw new ConfigError('FLOW_CONFIG_FILE', 'store.writer_password', path, 'a file that can be read or made', cause);
  }
}

/** Two processes that start together must agree: the file appears whole, by link, or not at all. */
function makeOnce(path: string): void {
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, `${randomBytes(24).toString('base64url')}\n`, { mode: 0o600 });
  chmodSync(draft, 0o600);
  try {
    linkSync(draft, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}
