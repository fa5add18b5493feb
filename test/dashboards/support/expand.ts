/**
 * A stand-in for the parts of Grafana and of its ClickHouse plugin that turn a panel's query into what is sent: neither
 * can be had here. Each rule names the source it follows (grafana/grafana, grafana/clickhouse-datasource 4.x).
 */

/** What a variable of a dashboard is set to. */
export interface VariableValue {
  /** One value, several, or `$__all`. */
  readonly value: string | readonly string[];
  /** What `All` stands for; its own model says so. */
  readonly allValue?: string;
  /** Whether several values or All can be chosen: Prometheus then gets a regular expression. */
  readonly many: boolean;
}

/** Time range and resolution of a dashboard. */
export interface View {
  /** Unix seconds. */
  readonly from: number;
  readonly to: number;
  /** `$__interval`: seconds between two points. */
  readonly intervalS: number;
  /** Scrape interval of the Prometheus data source (`timeInterval`), seconds. */
  readonly scrapeS: number;
}

type Format = (value: string | readonly string[], variable: VariableValue) => string;

// packages/grafana-data/src/utils (escapeRegex), as the format `regex` uses it
const escapeRegex = (text: string) => text.replace(/[\\^$*+?.()|[\]{}/]/g, '\\$&');
const list = (value: string | readonly string[]) => (typeof value === 'string' ? [value] : value);
const alternatives = (values: readonly string[]) => (values.length === 1 ? values[0]! : `(${values.join('|')})`);

/** Formats that a query may name: public/app/features/templating/formatVariableValue.ts */
const FORMATS: Readonly<Record<string, Format>> = {
  regex: (value) => alternatives(list(value).map(escapeRegex)),
  raw: (value) => list(value).join(','),
  // several values become {a,b} first; encodeURIComponentStrict encodes what RFC 3986 reserves as well
  percentencode: (value) =>
    encodeURIComponent(typeof value === 'string' ? value : `{${value.join(',')}}`).replace(
      /[!'()*]/g,
      (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
    ),
};

/** packages/grafana-prometheus/src/datasource.ts, interpolateQueryExpr; escapes as in escaping.ts beside it */
const PROMETHEUS: Format = (value, { many }) => {
  const quoted = (text: string) => text.replace(/\\/g, '\\\\').replace(/"/g, '\\"');
  const special = (text: string) => text.replace(/\\/g, '\\\\\\\\').replace(/[$^*{}[\]+?.()|]/g, '\\\\$&');
  if (!many) return quoted(list(value).join(','));
  return alternatives(list(value).map(special));
};

/** src/data/CHDatasource.ts, format(): lists are quoted, a single value stands as it is */
const CLICKHOUSE: Format = (value) => (typeof value === 'string' ? value : `'${value.join("','")}'`);

// public/app/features/variables/utils.ts, variableRegex
const VARIABLE = /\$(\w+)|\[\[(\w+?)(?::(\w+))?\]\]|\$\{(\w+)(?:\.([^:^}]+))?(?::([^}]+))?\}/g;

function withVariables(text: string, variables: Readonly<Record<string, VariableValue>>, usual: Format): string {
  return text.replaceAll(VARIABLE, (match, plain, bracketed, bracketFormat, braced, _field, format) => {
    const variable = variables[plain ?? bracketed ?? braced];
    if (variable === undefined) return match;
    // public/app/features/templating/template_srv.ts: a custom value for All is taken as it is
    if (variable.value === '$__all') {
      if (variable.allValue === undefined) throw new Error(`${match}: All without a value of its own`);
      return variable.allValue;
    }
    const named = format ?? bracketFormat;
    const formatter = named === undefined ? usual : FORMATS[named];
    if (formatter === undefined) throw new Error(`${match}: format ${named} is not known to this stand-in`);
    return formatter(variable.value, variable);
  });
}

/** An expression as Prometheus gets it. */
export function expandPromql(text: string, variables: Readonly<Record<string, VariableValue>>, view: View): string {
  const seconds = (value: number): VariableValue => ({ value: `${value}s`, many: false });
  const builtIn = {
    __interval: seconds(view.intervalS),
    // packages/grafana-prometheus/src/datasource.ts, getRateIntervalScopedVariable
    __rate_interval: seconds(Math.max(view.intervalS + view.scrapeS, 4 * view.scrapeS)),
    __range: seconds(Math.ceil(view.to - view.from)),
  };
  return withVariables(text, { ...variables, ...builtIn }, PROMETHEUS);
}

/** pkg/macros/macros.go: macro by name, from its arguments */
const MACROS: Readonly<Record<string, (view: View, ...parameters: string[]) => string>> = {
  fromTime: ({ from }) => `toDateTime(${Math.floor(from)})`,
  toTime: ({ to }) => `toDateTime(${Math.floor(to)})`,
  timeFilter_ms: ({ from, to }, column) =>
    `${column} >= fromUnixTimestamp64Milli(${Math.floor(from * 1000)}) AND ${column} <= fromUnixTimestamp64Milli(${Math.floor(to * 1000)})`,
  timeInterval: ({ intervalS }, column) =>
    `toStartOfInterval(toDateTime(${column}), INTERVAL ${Math.max(Math.floor(intervalS), 1)} second)`,
};

/**
 * Where the macro that begins at `from` ends, and what stands in its brackets: data/sqlutil/macros.go of
 * grafana-plugin-sdk-go, getMacroMatches. The first bracket behind the name decides: an opening one, however far away,
 * begins its arguments.
 */
function macroAt(sql: string, from: number, name: string): { end: number; parameters: string } {
  let depth = 0;
  let begin = 0;
  for (let at = from; at < sql.length; at += 1) {
    if (sql[at] === '(') {
      if (depth === 0) begin = at + 1;
      depth += 1;
    } else if (sql[at] === ')') {
      if (depth === 0) break;
      depth -= 1;
      if (depth === 0) return { end: at + 1, parameters: sql.slice(begin, at) };
    }
  }
  return { end: from + `$__${name}`.length, parameters: '' };
}

/** A statement as ClickHouse gets it: Grafana's variables first, in the browser; the plugin's macros in its back end. */
export function expandSql(text: string, variables: Readonly<Record<string, VariableValue>>, view: View): string {
  let sql = withVariables(text, variables, CLICKHOUSE);
  for (let from = sql.indexOf('$__'); from >= 0; from = sql.indexOf('$__')) {
    const name = /^\$__(\w+)/.exec(sql.slice(from))?.[1] ?? '';
    const macro = MACROS[name];
    if (macro === undefined) throw new Error(`$__${name}: the macro is not known to this stand-in`);
    const { end, parameters } = macroAt(sql, from, name);
    const value = macro(view, ...parameters.split(',').map((each) => each.trim()));
    sql = sql.slice(0, from) + value + sql.slice(end);
  }
  return sql;
}
