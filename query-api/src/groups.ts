/** Answers made of groups of rows. */
import { instantText, rowShaper } from './fields.ts';
import type { Grouping, GroupKey } from './grouping.ts';
import type { Question } from './question.ts';
import { groupSql } from './sql/group.ts';
import type { Store, StoreRow } from './store.ts';

/** One page of groups. */
export interface GroupPage {
  readonly rows: Record<string, unknown>[];
  /** Number of groups before the next page; undefined if there is none. */
  readonly after: readonly string[] | undefined;
  readonly sampled: boolean;
}

/** A key's value as answers show it. */
export function shapeKey(key: GroupKey, value: unknown): unknown {
  if (key.kind === 'interval')
    return instantText(BigInt(Date.parse(`${String(value).replace(' ', 'T')}Z`)) * 1_000_000n);
  if (key.kind === 'end' || key.kind === 'label' || key.kind === 'service') return value === '' ? null : value;
  return rowShaper([key.column])({ [key.name]: value })[key.name];
}

function shapeGroup(grouping: Grouping, row: StoreRow): Record<string, unknown> {
  const keys = grouping.keys.map((key, index) => [key.name, shapeKey(key, row[`k${index}`])]);
  const measures = grouping.measures.map(({ name, json }, index) => {
    const value = row[`m${index}`] ?? null;
    return [name, value === null ? null : json === 'string' ? String(value) : Number(value)];
  });
  return Object.fromEntries([...keys, ...measures]);
}

/** Reads one page of groups. */
export async function readGroups(
  store: Store,
  question: Question,
  grouping: Grouping,
  signal?: AbortSignal,
): Promise<GroupPage> {
  const offset = Number(question.cursor?.after[0] ?? 0);
  const rows = await store.rows(groupSql(question, grouping, offset, question.limit + 1), signal);
  const page = rows.slice(0, question.limit);
  return {
    rows: page.map((row) => shapeGroup(grouping, row)),
    after: rows.length > page.length ? [String(offset + page.length)] : undefined,
    sampled: page.some((row) => Number(row._weight) > 1),
  };
}
