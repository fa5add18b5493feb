/** Conditions on rows, before they become SQL or a test of a live row. */
import type { Column } from '../../../store/tables.ts';

/** A test of one column's value. */
export type Test =
  | { readonly kind: 'equals'; readonly value: string | number | bigint | boolean }
  /** Numbers from `from` to `to`, both included; an absent bound is open. */
  | { readonly kind: 'between'; readonly from?: bigint; readonly to?: bigint }
  /** Text in which `*` stands for any run of characters and `?` for one; compared without case if `fold`. */
  | { readonly kind: 'glob'; readonly pattern: string; readonly fold?: true }
  /** Addresses from `from` to `to`, both included, as 128-bit numbers. */
  | { readonly kind: 'address'; readonly from: bigint; readonly to: bigint }
  /** Ids of endpoints with this name; patterns as in `glob`. */
  | {
      readonly kind: 'endpoint';
      readonly property: EndpointProperty;
      readonly pattern: string;
      readonly namespace?: string;
    }
  /** One connection at one end. */
  | { readonly kind: 'flow'; readonly boot: string; readonly cookie: bigint; readonly generation: bigint };

/** What an endpoint is looked up by; `name` means its workload or its own name. */
export type EndpointProperty = 'name' | 'namespace' | 'workload';

/** One way of fulfilling a filter. */
export interface Alternative {
  readonly column: Column;
  readonly test: Test;
}

/** A filter holds if any of `any` does (or there is none of them) and none of `none` does. */
export interface Filter {
  readonly parameter: string;
  readonly any: readonly Alternative[];
  readonly none: readonly Alternative[];
}

/** A query parameter that filters. */
export interface FilterParameter {
  readonly name: string;
  readonly doc: string;
  /** Columns it speaks of. */
  readonly columns: readonly Column[];
  /** Whether commas separate values; where they may be part of one, the parameter is repeated instead. */
  readonly splits: boolean;
  /** What it takes, in words. */
  readonly allowed: string;
  /** Undefined if the text is not allowed. */
  readonly parse: (text: string) => readonly Alternative[] | undefined;
}
