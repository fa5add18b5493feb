/** Who asks: the account that writes, and the one that reads under limits. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Role } from './engine.ts';
import { EngineError } from './engine_error.ts';

/** One account; an empty password means that none is asked for. */
export interface Account {
  readonly user: string;
  readonly password: string;
  readonly role: Exclude<Role, 'upkeep'>;
}

/**
 * The account a request shows: X-ClickHouse-User and -Key, Basic authorization, or user and password in the URL; the
 * user `default` if it shows none.
 * @throws EngineError 516 if there is no such account or the password is wrong
 */
export function authenticate(
  accounts: readonly Account[],
  request: IncomingMessage,
  parameters: URLSearchParams,
): Account {
  const { user, password } = credentials(request, parameters);
  const account = accounts.find((candidate) => candidate.user === user);
  const right = account !== undefined && equal(account.password, password);
  if (!right) {
    throw new EngineError(
      516,
      `${user}: Authentication failed: password is incorrect, or there is no user with such name: check user and password`,
    );
  }
  return account;
}

function credentials(request: IncomingMessage, parameters: URLSearchParams): { user: string; password: string } {
  const user = request.headers['x-clickhouse-user'];
  if (typeof user === 'string') return { user, password: String(request.headers['x-clickhouse-key'] ?? '') };
  const basic = /^Basic\s+([A-Za-z0-9+/=]+)\s*$/i.exec(request.headers.authorization ?? '')?.[1];
  if (basic !== undefined) {
    const text = Buffer.from(basic, 'base64').toString();
    const colon = text.indexOf(':');
    const name = colon < 0 ? text : text.slice(0, colon);
    return { user: name === '' ? 'default' : name, password: colon < 0 ? '' : text.slice(colon + 1) };
  }
  return { user: parameters.get('user') ?? 'default', password: parameters.get('password') ?? '' };
}

function equal(one: string, other: string): boolean {
  const hash = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(hash(one), hash(other));
}
