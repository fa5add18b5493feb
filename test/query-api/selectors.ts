/** Things with labels, and which of them each selector selects: for the reader of selectors, for SQL, for the live feed. */

export const LABELLED: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  web: { app: 'web', tier: 'a', env: 'prod', 'example.com/replicas': '3' },
  canary: { app: 'web', tier: 'b', canary: 'true', env: 'prod', 'example.com/replicas': '12' },
  cart: { app: 'cart', tier: 'c', env: '', 'example.com/replicas': 'many' },
  bare: {},
  odd: { in: 'notin', notin: 'in', 'A_b.c-D': 'x_Y.z-1', constructor: 'own', 'example.com/replicas': '03' },
};

const ALL = Object.keys(LABELLED);

/** Selector, and the names of what it selects. */
export const SELECTORS: readonly (readonly [string, readonly string[]])[] = [
  ['', ALL],
  ['  ', ALL],
  ['app=web', ['web', 'canary']],
  ['app==web', ['web', 'canary']],
  [' app = web , tier = a ', ['web']],
  ['app!=web', ['cart', 'bare', 'odd']],
  ['app=web,!canary', ['web']],
  ['! canary', ['web', 'cart', 'bare', 'odd']],
  ['app', ['web', 'canary', 'cart']],
  ['app,canary', ['canary']],
  ['tier in (a,b)', ['web', 'canary']],
  ['tier in (a, c),env in (prod)', ['web']],
  ['tier notin (a,b)', ['cart', 'bare', 'odd']],
  ['app,tier notin (a)', ['canary', 'cart']],
  ['app=web,tier in (a,b),!canary,env notin (test),app!=cart,env', ['web']],
  ['env=', ['cart']],
  ['env in ()', ['cart']],
  ['env in (,prod)', ['web', 'canary', 'cart']],
  ['env!=', ['web', 'canary', 'bare', 'odd']],
  ['in=notin', ['odd']],
  ['notin in (in)', ['odd']],
  ['in in (notin,in),notin notin (x)', ['odd']],
  ['A_b.c-D=x_Y.z-1', ['odd']],
  ['constructor', ['odd']],
  ['toString', []],
  ['example.com/replicas>3', ['canary']],
  ['example.com/replicas > 2', ['web', 'canary', 'odd']],
  ['example.com/replicas<12', ['web', 'odd']],
  ['example.com/replicas=3', ['web']],
  ['app=web,app=cart', []],
];

/** What is no selector, where, and what is said of it. */
export const WRONG: readonly (readonly [string, number, RegExp])[] = [
  ['app=web,', 9, /it ends where a label key should be/],
  [',app', 1, /"," where a label key/],
  ['app=web=blue', 8, /"=" where a comma or the end/],
  ['app in', 7, /it ends where \( should be/],
  ['app in (a', 10, /it ends where , or \)/],
  ['app in (a b)', 11, /"b" where , or \)/],
  ['app in a,b', 8, /"a" where \(/],
  ['app web', 5, /"web" where =/],
  ['!', 2, /it ends where a label key/],
  ['!!app', 2, /"!" where a label key/],
  ['!app=web', 5, /"=" where a comma/],
  ['=web', 1, /"=" where a label key/],
  ['app=(web)', 5, /"\(" where a comma/],
  ['-app', 1, /"-app" is no label key/],
  ['a/b/c', 1, /"a\/b\/c" is no label key/],
  ['Example.com/app', 1, /is no label key/],
  ['/app', 1, /is no label key/],
  ['app=we*b', 5, /"we\*b" is no label value/],
  ['app=.web', 5, /is no label value/],
  [`app=${'a'.repeat(64)}`, 5, /is no label value/],
  [`${'a'.repeat(64)}`, 1, /is no label key/],
  ['n>x', 3, /"x" is no whole number/],
  ['n>', 3, /it ends where a whole number/],
  ['n>9223372036854775808', 3, /is no whole number from 0 to 9223372036854775807/],
];

export const REFUSED: readonly string[] = WRONG.map(([text]) => text);
