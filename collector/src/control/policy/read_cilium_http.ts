/** HTTP rules of a CiliumNetworkPolicy. */
import type { Field } from './field.ts';
import { MOST } from './fields.ts';
import type { HeaderMatch, HttpRule } from './model.ts';

/** Longest pattern and longest value of a header; whether a pattern can be compiled is judged where that is done. */
const PATTERN = 4096;
const HEADER_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,128}$/;

/** Entries of `headers`: `Name` must be there, `Name: value` or `Name value` must have this value. */
function headerOf(field: Field): HeaderMatch {
  const text = field.text(PATTERN);
  const space = text.indexOf(' ');
  if (space < 0) return { name: headerName(text, field), value: undefined };
  return { name: headerName(text.slice(0, space).replace(/:+$/, ''), field), value: text.slice(space + 1) };
}

function headerName(name: string, field: Field): string {
  return HEADER_NAME.test(name) ? name : field.refuse('BadHeader', 'it names no header', 'write it as X-Name: value');
}

function headerMatchOf(field: Field): HeaderMatch {
  field.hasOnly('name', 'value', 'secret', 'mismatch');
  field.hasNone(
    'HeaderSecretUnsupported',
    ['secret'],
    'give the value itself, or judge this header in the application',
  );
  field.hasNone(
    'HeaderMismatchUnsupported',
    ['mismatch'],
    'requests are not rewritten here; leave it out to refuse them',
  );
  return {
    name: headerName(field.at('name').text(128), field.at('name')),
    value: field.at('value').optionalText(PATTERN),
  };
}

function httpRuleOf(field: Field): HttpRule {
  field.hasOnly('path', 'method', 'host', 'headers', 'headerMatches');
  return {
    path: field.at('path').optionalText(PATTERN),
    method: field.at('method').optionalText(PATTERN),
    host: field.at('host').optionalText(PATTERN),
    headers: [
      ...field.at('headers').list(MOST.http).map(headerOf),
      ...field.at('headerMatches').list(MOST.http).map(headerMatchOf),
    ],
  };
}

/** Reads `rules` of an entry of toPorts; undefined if requests are not judged. */
export function httpOf(rules: Field): readonly HttpRule[] | undefined {
  rules.hasOnly('http', 'dns', 'kafka', 'l7', 'l7proto');
  rules.hasNone(
    'ProtocolUnsupported',
    ['dns', 'kafka', 'l7', 'l7proto'],
    'only HTTP is judged; take these rules out to allow the ports as a whole',
  );
  const http = rules.at('http');
  if (http.isMissing) return undefined;
  const list = http.list(MOST.http).map(httpRuleOf);
  if (list.length > 0) return list;
  return http.refuse(
    'EmptyHttpRules',
    'an empty list says neither all requests nor none',
    'write [{}] for all, or take it out',
  );
}
