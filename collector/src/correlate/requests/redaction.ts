/** What is kept of a URL: no credentials, no values of query parameters, no path segments that look like secrets. */
import { isIPv6 } from 'node:net';

/** What stands where something was not kept. */
export const REDACTED = 'REDACTED';

/** What is kept all the same. */
export interface Allowed {
  /** Names of query parameters whose values are kept; `*` keeps all. */
  readonly queryNames: ReadonlySet<string>;
  /** Path segments, percent-decoded, that are kept whatever they look like. */
  readonly pathSegments: ReadonlySet<string>;
}

/** A request target, taken apart (RFC 9112 §3.2). */
export interface Target {
  /** Authority of an absolute or authority form, without credentials; empty for the origin form. */
  readonly authority: string;
  /** Path; `*` for the asterisk form, empty for the authority form. */
  readonly path: string;
  /** Query without `?`; undefined if there is none. */
  readonly query: string | undefined;
}

const PRINTABLE = /^[\x21\x22\x24-\x7e]*$/;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const JWT = /eyJ[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]+/;
const EMAIL = /[^@\s]@[^@\s]+\.[A-Za-z]{2,}/;
const CREDENTIALS = /:[^@]*@/;
const LONG_RUN = /[A-Za-z0-9+/_=-]{32,}/g;
/** Rounds of percent-encoding that are looked behind. */
const DECODED_AT_MOST = 8;
/** A word or a number as titles have them; secrets have letters and digits mixed, or no end. */
const TITLE_WORD = /^(?:[a-z]{1,20}|[A-Z][a-z]{0,19}|[A-Z]{1,6}|[0-9]{1,6}|[0-9]{1,4}[a-z]{1,8}|[a-z]{1,8}[0-9]{1,4})$/;

/** Bytes that a URL may not hold become percent-encoded; a fragment, which no client should send, goes. */
export function printable(latin1: string): string {
  if (PRINTABLE.test(latin1)) return latin1;
  const text = latin1.replace(
    /[^\x21-\x7e]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  );
  const fragment = text.indexOf('#');
  return fragment === -1 ? text : text.slice(0, fragment);
}

/** Percent-decodes as often as there is something encoded: each proxy on the way may have encoded it once more. */
export function decoded(text: string): string {
  let now = text;
  for (let times = 0; times < DECODED_AT_MOST; times += 1) {
    const next = decodedOnce(now);
    if (next === now) return now;
    now = next;
  }
  return now;
}

function decodedOnce(text: string): string {
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  }
}

/**
 * Host and port of an authority, without `user:password@`. What stands behind a colon and is no port may be the password
 * of credentials whose end was cut, or lies behind a character that they may not hold.
 */
export function hostOf(authority: string): string {
  const host = authority.slice(authority.lastIndexOf('@') + 1);
  const colon = host.indexOf(':', host.lastIndexOf(']') + 1);
  if (colon === -1 || /^[0-9]*$/.test(host.slice(colon + 1)) || isIPv6(host)) return host;
  return REDACTED;
}

/** Takes a printable target apart. */
export function splitTarget(target: string, method: string): Target {
  if (method === 'CONNECT') return { authority: hostOf(target), path: '', query: undefined };
  let rest = target;
  let authority = '';
  const absolute = /^[A-Za-z][A-Za-z0-9+.-]*:\/\/([^/?]*)/.exec(target);
  if (absolute !== null) {
    authority = hostOf(absolute[1] as string);
    rest = target.slice(absolute[0].length) || '/';
  }
  const mark = rest.indexOf('?');
  if (mark === -1) return { authority, path: rest, query: undefined };
  return { authority, path: rest.slice(0, mark) || '/', query: rest.slice(mark + 1) };
}

function isTitle(run: string): boolean {
  const words = run.split(/[-_]/);
  return words.length >= 3 && words.every((word) => TITLE_WORD.test(word));
}

/** Whether a piece of a URL, percent-decoded, looks like a secret: a JWT, an e-mail address, 32 or more hex or base64 characters. */
export function looksSecret(text: string): boolean {
  if (text.length < 32 && !text.includes('@') && !text.includes('eyJ')) return false;
  if (text.includes('@') && (EMAIL.test(text) || CREDENTIALS.test(text))) return true;
  if (JWT.test(text)) return true;
  if (text.length < 32 || UUID.test(text)) return false;
  return (text.match(LONG_RUN) ?? []).some((run) => !UUID.test(run) && !isTitle(run));
}

/** The segments of a path, each as it may be kept. */
export function redactedSegments(path: string, allowed: Allowed): string[] {
  return path.split('/').map((segment) => {
    const text = decoded(segment);
    return !looksSecret(text) || allowed.pathSegments.has(text) ? segment : REDACTED;
  });
}

/**
 * A query as it may be kept: names stay, values go.
 * @param cut whether its end is missing: a name that was cut may have been a secret
 */
export function redactedQuery(query: string, allowed: Allowed, cut: boolean): string {
  const parts = query.split(/([&;])/);
  return parts
    .map((part, index) => {
      if (index % 2 === 1) return part;
      return cut && index === parts.length - 1 && !part.includes('=') ? REDACTED : redactedParameter(part, allowed);
    })
    .join('');
}

function redactedParameter(parameter: string, allowed: Allowed): string {
  const equals = parameter.indexOf('=');
  const rawName = equals === -1 ? parameter : parameter.slice(0, equals);
  const plainName = decoded(rawName);
  if (allowed.queryNames.has('*') || allowed.queryNames.has(plainName)) return parameter;
  const name = looksSecret(plainName) ? REDACTED : rawName;
  if (equals === -1) return name;
  return equals === parameter.length - 1 ? `${name}=` : `${name}=${REDACTED}`;
}
