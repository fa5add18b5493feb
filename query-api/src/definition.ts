/** What a question about rows of one table is made of. */
import type { Table } from '../../store/tables.ts';
import type { FilterParameter } from './filter/filter.ts';
import type { Measure } from './measures.ts';

/** A route that answers rows of one table, or groups of them. */
export interface RowDefinition {
  /** Last part of its path: /v1/<route>. */
  readonly route: string;
  readonly table: Table;
  /** What the answer is, beyond what the table is. */
  readonly summary: string;
  /** Columns that together with `time` tell one row from every other. */
  readonly key: readonly string[];
  /** Expressions over `t`, with their aliases, that rows carry beside their columns. */
  readonly alongside?: readonly string[];
  readonly filters: ReadonlyMap<string, FilterParameter>;
  /** Condition on `t` that makes a row a failure; undefined where that has no meaning. */
  readonly failure?: string;
  /** Column that says how many a row stands for; sample_weight if absent. */
  readonly weight?: string;
  /** Measures of this table beside the general ones. */
  readonly measures?: readonly Measure[];
}
