/** A judge of whole heads with regular expressions and string functions: slow, and nothing of it is the judge's own. */
import type { HttpRule } from '../../../../collector/src/control/policy/http/rules.ts';
import type { Said } from './judging.ts';

const HEAD = /^([A-Z_-]+) (\/[!-~]*) HTTP\/1\.([01])\r\n((?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t -~\x80-\xff]*\r\n)*)\r\n/;
const HOST = /^(?:[\w-]+(?:\.[\w-]+)*|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?$/;

const utf8 = (bytes: string): string | undefined => {
  const text = Buffer.from(bytes, 'latin1').toString('utf8');
  return Buffer.from(text).toString('latin1') === bytes ? text : undefined;
};

const matches = (pattern: string | undefined, bytes: string | undefined, flags = 'u'): boolean => {
  if (pattern === undefined) return true;
  const text = bytes === undefined ? undefined : utf8(bytes);
  return text !== undefined && new RegExp(`^(?:${pattern})$`, flags).test(text);
};

/** The path with its escapes decoded, and the query as it is; undefined if readers differ in what it is. */
function decoded(target: string): string | undefined {
  const [, path = '', query = ''] = /^([^?]*)(.*)$/.exec(target) ?? [];
  if (/[#\\]/.test(target) || /\/\/|\/\.{1,2}(?:[/;]|$)/.test(path) || /%(?![0-9A-Fa-f]{2})/.test(path))
    return undefined;
  const bytes = path.replace(/%(..)/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)));
  const isHidden = /%(?:[01].|7f|2f|2e|25|3f|23|5c)/i.test(path);
  return isHidden ? undefined : bytes + query;
}

/** @param head in latin1 @returns what it says, without why it is not judged */
export function expected(rules: readonly HttpRule[], head: string): Said {
  const parts = HEAD.exec(head);
  if (parts === null || parts[0].length > 16_384) return 'unjudged';
  const [, method = '', target = '', minor, lines = ''] = parts;
  const headers = new Map<string, string[]>();
  for (const line of lines.split('\r\n').filter(Boolean)) {
    const name = line.slice(0, line.indexOf(':')).toLowerCase();
    const value = line.slice(name.length + 1).replace(/^ +| +$/g, '');
    headers.set(name, [...(headers.get(name) ?? []), value]);
  }
  const path = decoded(target);
  const deciding = new Set(['host', 'content-length', 'transfer-encoding', 'upgrade']);
  for (const rule of rules) for (const { name } of rule.headers ?? []) deciding.add(name.toLowerCase());
  const [host, length, coding, upgrade] = [...deciding].slice(0, 4).map((name) => headers.get(name)?.[0]);
  if (
    path === undefined ||
    [...deciding].some((name) => (headers.get(name)?.length ?? 0) > 1 || headers.get(name)?.[0]?.includes('\t')) ||
    (host === undefined ? minor === '1' : !HOST.test(host)) ||
    (length !== undefined && !/^[0-9]{1,18}$/.test(length)) ||
    (coding !== undefined && (coding.toLowerCase() !== 'chunked' || minor === '0' || length !== undefined)) ||
    (upgrade !== undefined && upgrade.toLowerCase() !== 'websocket')
  )
    return 'unjudged';
  const allowing = rules.flatMap((rule, index) =>
    matches(rule.method, method) &&
    matches(rule.path, target) &&
    matches(rule.path, path) &&
    matches(rule.host, host, 'iu') &&
    (rule.headers ?? []).every(({ name, value: wanted, pattern }) => {
      const value = headers.get(name.toLowerCase())?.[0];
      if (value === undefined) return false;
      return wanted === undefined ? matches(pattern, value) : utf8(value) === wanted;
    })
      ? [index]
      : [],
  );
  return allowing.length > 0 ? `allowed by ${allowing.join(' ')}` : 'denied';
}
