/** Conditions on rows, before they become SQL or a test of a live row. */
import type { Column } from '../../../store/tables.ts';
import type { Selector } from './selector.ts';

/** A test of one column's value. */
export type Test =
  | { readonly kind: 'equals'; readonly value: string | number | bigint | boolean }
  /** Numbers from `from` to `to`, both included; an absent bound is open. */
  | { readonly kind: 'between'; readonly from?: bigint; readonly to?: bigint }
  /** Text in which `*` stands for any run of characters and `?` for one; compared without case if `fold`. */
  | { readonly kind: 'glob'; readonly pattern: string; readonly fold?: true }
  /** Addresses from `from` to `to`, both included, as 128-bit numbers. */
  | { readonly kind: 'address'; readonly from: bigint; readonly to: bigint }
  | EndpointTest
  /** The service that was dialled, by its name and namespace; patterns as in `glob`. */
  | { readonly kind: 'service'; readonly pattern: string; readonly namespace?: string }
  /** One connection at one end. */
  | { readonly kind: 'flow'; readonly boot: string; readonly cookie: bigint; readonly generation: bigint };

/** A test of the endpoint whose id a column holds, as it was at the time of the row; patterns as in `glob`. */
export type EndpointTest =
  | {
      readonly kind: 'endpoint';
      readonly property: EndpointProperty;
      readonly pattern: string;
      readonly namespace?: string;
    }
  | { readonly kind: 'endpoint'; readonly property: 'labels'; readonly selector: Selector };

/** What an endpoint is looked up by; `name` means its workload or its own name, `pod` the name of a pod. */
export type EndpointProperty =
  | ('name' | 'pod' | 'namespace' | 'workload' | 'workload_kind')
  | ('container' | 'node' | 'zone' | 'services');

/** Whether what is tested may change while an endpoint stays the same one. */
export function mayChange(test: Test): boolean {
  return test.kind === 'endpoint' && ['labels', 'services', 'container'].includes(test.property);
}

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
  /** What a value excludes, undefined if nothing; where it is not said, all behind a leading `!`. */
  readonly excluded?: (value: string) => string | undefined;
  /** How that is written, in words; a leading `!` where it is not said. */
  readonly excludes?: string;
}
