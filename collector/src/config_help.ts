/** Every key of the configuration as text for a terminal. */
import { CONFIG_SCHEMA } from './config.ts';
import { allowedBy, envOf, flagOf, type Leaf, leaves } from './config_sources.ts';

/** Keys of each command: the top level, `clickhouse`, and its own. */
const GROUPS = { collector: 'collector', store: 'store', 'query-api': 'query_api' } as const;

function shown(value: unknown): string {
  return typeof value === 'string' ? value || "''" : JSON.stringify(value);
}

function lines(leaf: Leaf): string[] {
  const { schema } = leaf;
  return [
    `  ${flagOf(leaf)} (${envOf(leaf)})`,
    `      ${schema.description ?? ''}`,
    `      ${allowedBy(schema)}; default ${shown(schema.default)}`,
  ];
}

/** What `flowspan <command> --help` prints. */
export function configHelp(command: keyof typeof GROUPS): string {
  const other = Object.values(GROUPS).filter((group) => group !== GROUPS[command]);
  const keys = leaves(CONFIG_SCHEMA).filter(({ path }) => !other.some((group) => group === path[0]));
  return [
    `Usage: flowspan ${command} [--config FILE] [flags]`,
    '',
    'Keys, as flag and environment variable; in the YAML file --collector-listen is `listen` below `collector`:',
    '',
    ...keys.flatMap(lines),
    '',
  ].join('\n');
}
