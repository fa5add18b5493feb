/**
 * Label selectors in the whole syntax of Kubernetes (`kubectl get -l`): `app=web,tier in (a,b),!canary,env notin (x),
 * k!=v,k,replicas>3`. All requirements must hold. Read by hand: no package does it (@kubernetes/client-node hands the
 * text to the API server).
 */

/** One part of a selector; a key that is not there fulfils `notin` and `absent` alone, as in Kubernetes. */
export type Requirement =
  | { readonly key: string; readonly operator: 'in' | 'notin'; readonly values: readonly string[] }
  | { readonly key: string; readonly operator: 'exists' | 'absent' }
  | { readonly key: string; readonly operator: 'gt' | 'lt'; readonly bound: bigint };

/** Requirements that must all hold; none holds for every endpoint. */
export type Selector = readonly Requirement[];

/** A selector that cannot be read: what is wrong, and where. */
export class SelectorError extends Error {
  /** Character at which it is wrong, from 1. */
  readonly at: number;

  constructor(at: number, message: string) {
    super(message);
    this.at = at;
  }
}

/** What is allowed, in words. */
export const SELECTOR_ALLOWED =
  'a label selector of Kubernetes: app=web,tier in (a,b),env notin (x),k!=v,k,!k,n>1; commas mean and';

/** Most requirements and values of one selector. */
const MOST = 100;
const MAX_INT64 = (1n << 63n) - 1n;

const NAME = /^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/;
const SUBDOMAIN = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/;

interface Token {
  readonly text: string;
  readonly at: number;
}

/** Operators, brackets and commas one by one, and all that stands between them and blanks. */
function tokensOf(text: string): Token[] {
  const tokens = [...text.matchAll(/==|!=|[=!(),<>]|[^\s=!(),<>]+/g)];
  return [...tokens.map((match) => ({ text: match[0], at: match.index + 1 })), { text: '', at: text.length + 1 }];
}

const isWord = ({ text }: Token) => text !== '' && !/^(==|!=|[=!(),<>])$/.test(text);

class Reader {
  readonly #tokens: readonly Token[];
  #next = 0;

  constructor(text: string) {
    this.#tokens = tokensOf(text);
  }

  get token(): Token {
    return this.#tokens[this.#next]!;
  }

  /** Goes on if the next token is this one. */
  takes(text: string): boolean {
    if (this.token.text !== text) return false;
    if (text !== '') this.#next += 1;
    return true;
  }

  /** @param wanted what should stand here */
  refuse(wanted: string): never {
    const { text, at } = this.token;
    throw new SelectorError(
      at,
      `${text === '' ? 'it ends' : `there is ${JSON.stringify(text)}`} where ${wanted} should be`,
    );
  }

  word(wanted: string): Token {
    const { token } = this;
    if (!isWord(token)) this.refuse(wanted);
    this.#next += 1;
    return token;
  }

  key(): string {
    const { text, at } = this.word('a label key');
    const parts = text.split('/');
    const name = parts.pop() ?? '';
    const good = NAME.test(name) && (parts.length === 0 || (parts.length === 1 && SUBDOMAIN.test(parts[0]!)));
    if (!good) throw new SelectorError(at, `${JSON.stringify(text)} is no label key: [prefix.example/]name`);
    return text;
  }

  /** A value, which may be empty. */
  value(): string {
    if (!isWord(this.token)) return '';
    const { text, at } = this.word('a value');
    if (!NAME.test(text)) {
      throw new SelectorError(at, `${JSON.stringify(text)} is no label value: at most 63 of A-Z a-z 0-9 - _ .`);
    }
    return text;
  }

  values(): string[] {
    if (!this.takes('(')) this.refuse('(');
    const values = [this.value()];
    while (this.takes(',')) values.push(this.value());
    if (!this.takes(')')) this.refuse(', or )');
    if (values.length > MOST) throw new SelectorError(this.token.at, `${values.length} values are more than ${MOST}`);
    return [...new Set(values)];
  }

  bound(): bigint {
    const { text, at } = this.word('a whole number');
    if (!/^\d{1,19}$/.test(text) || BigInt(text) > MAX_INT64) {
      throw new SelectorError(at, `${JSON.stringify(text)} is no whole number from 0 to ${MAX_INT64}`);
    }
    return BigInt(text);
  }

  requirement(): Requirement {
    if (this.takes('!')) return { key: this.key(), operator: 'absent' };
    const key = this.key();
    if (this.takes('=') || this.takes('==')) return { key, operator: 'in', values: [this.value()] };
    if (this.takes('!=')) return { key, operator: 'notin', values: [this.value()] };
    if (this.takes('in')) return { key, operator: 'in', values: this.values() };
    if (this.takes('notin')) return { key, operator: 'notin', values: this.values() };
    if (this.takes('>')) return { key, operator: 'gt', bound: this.bound() };
    if (this.takes('<')) return { key, operator: 'lt', bound: this.bound() };
    if (this.token.text !== ',' && this.token.text !== '')
      this.refuse('=, ==, !=, in, notin, <, >, a comma or the end');
    return { key, operator: 'exists' };
  }
}

/**
 * Reads a selector.
 * @throws SelectorError
 */
export function parseSelector(text: string): Selector {
  const reader = new Reader(text);
  if (reader.takes('')) return [];
  const requirements = [reader.requirement()];
  while (!reader.takes('')) {
    if (!reader.takes(',')) reader.refuse('a comma or the end');
    if (requirements.length === MOST) throw new SelectorError(reader.token.at, `there are more than ${MOST} parts`);
    requirements.push(reader.requirement());
  }
  return requirements;
}

const NUMBER = /^\d{1,19}$/;

/** Whether a selector holds for these labels. */
export function selectorHolds(selector: Selector, labels: Readonly<Record<string, string>>): boolean {
  return selector.every((requirement) => {
    const value = Object.hasOwn(labels, requirement.key) ? labels[requirement.key]! : undefined;
    switch (requirement.operator) {
      case 'in':
        return value !== undefined && requirement.values.includes(value);
      case 'notin':
        return value === undefined || !requirement.values.includes(value);
      case 'exists':
        return value !== undefined;
      case 'absent':
        return value === undefined;
      default: {
        if (value === undefined || !NUMBER.test(value) || BigInt(value) > MAX_INT64) return false;
        return requirement.operator === 'gt' ? BigInt(value) > requirement.bound : BigInt(value) < requirement.bound;
      }
    }
  });
}
