/** JSON Schemas of query strings, for the documentation: what is refused is decided where the question is read. */
import Type, { type TSchema } from 'typebox';
import type { RowDefinition } from '../definition.ts';
import type { FilterParameter } from '../filter/filter.ts';
import { GENERAL_PARAMETERS } from '../question.ts';

/** Schema of named text parameters. */
export function textParameters(docs: Readonly<Record<string, string>>): TSchema {
  const entries = Object.entries(docs).map(([name, description]) => [
    name,
    Type.Optional(Type.String({ description })),
  ]);
  return Type.Object(Object.fromEntries(entries));
}

/** Docs of filters by name. */
export function filterDocs(filters: ReadonlyMap<string, FilterParameter>): Record<string, string> {
  const entries = [...filters.values()].map(({ name, doc, allowed, splits, excludes = 'A leading !' }) => {
    const many = splits
      ? 'Several values, separated by commas, mean any of them.'
      : 'Repeat it to mean any of several.';
    return [name, `${doc} Takes ${allowed}. ${many} ${excludes} excludes.`] as const;
  });
  return Object.fromEntries(entries);
}

/** Schema of the query string of a route that answers rows of a table. */
export function rowParameters(definition: RowDefinition): TSchema {
  return textParameters({ ...GENERAL_PARAMETERS, ...filterDocs(definition.filters) });
}
