/** SQL names tables through the scope function only, and holds no values. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { SCHEMA } from '../../store/schema.ts';

const FILES = globSync('query-api/src/**/*.ts', { cwd: new URL('../..', import.meta.url).pathname }).map((path) => ({
  path,
  text: readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8'),
}));
const CODE = FILES.map(({ path, text }) => ({ path, text: text.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '') }));

test('no table of ours stands behind FROM or JOIN in a query text', () => {
  const names = [...SCHEMA.tables, ...SCHEMA.views].map(({ name }) => name).join('|');
  for (const { path, text } of CODE) {
    assert.doesNotMatch(text, new RegExp(`\\b(FROM|JOIN)\\s+(\\w+\\.)?(${names})\\b`), path);
  }
});

test('queries are made in src/sql and src/filter, nowhere else', () => {
  for (const { path, text } of CODE) {
    if (/src\/(sql|filter)\//.test(path)) continue;
    // `SELECT <table>` alone is a span's name
    assert.doesNotMatch(text, /[`'(]SELECT\s(?!\$\{table\}`)/, path);
  }
});

test('every query of src/sql that reads a table takes it from scoped()', () => {
  for (const { path, text } of CODE.filter(({ path }) => path.includes('src/sql/'))) {
    // rowsSql and wholeRowsSql of rows.ts are made of it
    if (/\bFROM \$\{from\}/.test(text)) assert.match(text, /\b(scoped|rowsSql|wholeRowsSql)\(/, path);
  }
});
