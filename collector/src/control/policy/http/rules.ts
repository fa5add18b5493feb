/** HTTP rules as policies write them. Each field that a rule names must match as a whole; what it leaves out may be anything. */

/** A header that must be there once, and its value without the blanks around it. */
export interface HeaderRule {
  /** In any case. */
  readonly name: string;
  /** Compared byte by byte. Without it and without a pattern, any value will do. */
  readonly value?: string | undefined;
  readonly pattern?: string | undefined;
}

/** Patterns are RE2's (parse_pattern.ts). */
export interface HttpRule {
  readonly method?: string | undefined;
  /** Of the target as it was sent, query and all, as Envoy and Cilium take it; see head_grammar.ts for escapes. */
  readonly path?: string | undefined;
  /** Of the Host header, its port and all, in any case. */
  readonly host?: string | undefined;
  readonly headers?: readonly HeaderRule[] | undefined;
}

/** Why a rule is refused. */
export interface RuleRefusal {
  /** Index of the rule. */
  readonly rule: number;
  /** Where in the rule: `method`, `path`, `host` or `headers[2]`. */
  readonly field: string;
  /** CamelCase, for a condition. */
  readonly reason: string;
  /** Cause and next step. */
  readonly message: string;
}
