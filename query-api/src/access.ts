/** Who may ask: the token, the host name a browser used, the origin of a page. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { QueryError } from './errors.ts';
import type { Access } from './options.ts';

const LOOPBACK_NAMES = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/i;

/** WebSocket subprotocol of the live feed, and what a token is offered behind (browsers cannot set headers). */
export const LIVE_PROTOCOL = 'flowspan.live';
export const TOKEN_PROTOCOL = 'flowspan.token.';

function same(one: string, other: string): boolean {
  const hash = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(hash(one), hash(other));
}

function shownToken(headers: IncomingHttpHeaders): string | undefined {
  const bearer = /^Bearer +(\S+) *$/i.exec(headers.authorization ?? '')?.[1];
  if (bearer !== undefined) return bearer;
  const offered = (headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
  return offered.find((name) => name.startsWith(TOKEN_PROTOCOL))?.slice(TOKEN_PROTOCOL.length);
}

/**
 * Refuses who may not ask.
 * @throws QueryError 401 FLOW_QUERY_NO_TOKEN, 403 FLOW_QUERY_HOST_REFUSED or FLOW_QUERY_ORIGIN_REFUSED
 */
export function checkAccess(access: Access, headers: IncomingHttpHeaders): void {
  // A page elsewhere can make its own name point here; the browser then still sends that name.
  if (access.loopback && access.token === '' && !LOOPBACK_NAMES.test(headers.host ?? '')) {
    throw new QueryError(403, 'FLOW_QUERY_HOST_REFUSED', 'without a token, the API answers by loopback names only', {
      value: headers.host ?? '',
      allowed: 'localhost, 127.0.0.1 or [::1]',
      next_step: 'Ask by such a name, or set query_api.token.',
    });
  }
  const { origin } = headers;
  const own = origin !== undefined && [`http://${headers.host}`, `https://${headers.host}`].includes(origin);
  if (origin !== undefined && !own && !access.allowedOrigins.includes(origin)) {
    throw new QueryError(403, 'FLOW_QUERY_ORIGIN_REFUSED', 'pages of this origin may not ask', {
      value: origin,
      allowed: ["the API's own origin", ...access.allowedOrigins],
      next_step: 'Add it to query_api.allowed_origins if its pages are trusted.',
    });
  }
  if (access.token !== '' && !same(shownToken(headers) ?? '', access.token)) {
    throw new QueryError(401, 'FLOW_QUERY_NO_TOKEN', 'no token or a wrong one was shown', {
      allowed: 'Authorization: Bearer <token>',
      next_step: 'Show the token of query_api.token.',
    });
  }
}
