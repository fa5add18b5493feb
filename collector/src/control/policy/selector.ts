/** Selectors over label sets, as Kubernetes' label selectors: all requirements must be met. */

/** `NotIn` is met by a set without the key, too. */
export type Operator = 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';

export interface Requirement {
  /** A key of a security identity's label set: see identity.ts. */
  readonly key: string;
  readonly operator: Operator;
  /** Empty for Exists and DoesNotExist. */
  readonly values: readonly string[];
}

/** Without requirements every label set is selected. */
export type Selector = readonly Requirement[];

export type Labels = ReadonlyMap<string, string>;

function isMet({ key, operator, values }: Requirement, labels: Labels): boolean {
  const value = labels.get(key);
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
  }
}

export function selects(selector: Selector, labels: Labels): boolean {
  return selector.every((requirement) => isMet(requirement, labels));
}
