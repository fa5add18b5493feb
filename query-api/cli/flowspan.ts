#!/usr/bin/env node
/** The `flowspan` command: finds the subcommand, runs it, and turns what it throws into one line and an exit code. */
import { keepHeapSmall } from '../../collector/src/small_heap.ts';
import { endWithParent } from './parent.ts';

/** What a subcommand's module exports. Resolves with the process's exit code when the work has ended. */
interface Command {
  main(argv: string[]): Promise<number>;
}

const COMMANDS: Record<string, { summary: string; load: () => Promise<Command> }> = {
  up: { summary: 'start store, collector and query-api on this machine', load: () => import('./up.ts') },
  collector: {
    summary: 'attach to the kernel and deliver what it tells (root)',
    load: () => {
      keepHeapSmall();
      return import('../../collector/src/main.ts');
    },
  },
  store: { summary: 'the embedded ClickHouse', load: () => import('../../store/embedded/main.ts') },
  'query-api': { summary: 'answer questions over HTTP and WebSocket', load: () => import('../src/main.ts') },
  observe: { summary: 'show flows, requests and events', load: () => import('./observe.ts') },
  explain: { summary: 'say what is wrong, and why', load: () => import('./explain/main.ts') },
  lb: { summary: 'say whom the clients of a service are brought to, and why', load: () => import('./lb/main.ts') },
  policy: {
    summary: 'say what drafts of policies would change of what was seen',
    load: () => import('./policy/main.ts'),
  },
  audit: { summary: 'check that every record is accounted for', load: () => import('./audit/main.ts') },
  detach: {
    summary: 'forget the connections that a stopped collector left for its next run',
    load: () => import('../../collector/src/detach.ts'),
  },
  cleanup: {
    summary: 'remove the data plane that a stopped collector left in the kernel',
    load: () => import('../../collector/src/cleanup.ts'),
  },
  manifests: {
    summary: 'check a directory of Kubernetes objects for --manifests',
    load: () => import('../../collector/src/control/manifests/main.ts'),
  },
  status: { summary: 'show what is attached, rates, losses and lag', load: () => import('./status.ts') },
};

/** What `flowspan help` prints. */
export function helpText(): string {
  const rows = Object.entries(COMMANDS).map(([name, { summary }]) => `  ${name.padEnd(11)}${summary}`);
  return [
    'Usage: flowspan COMMAND [flags]',
    '',
    'Commands:',
    ...rows,
    '  help       show this text',
    '',
    "'flowspan COMMAND --help' lists the command's flags. Configuration: --config FILE (YAML), FLOWSPAN_* variables,",
    'flags; the later wins.',
    '',
  ].join('\n');
}

/** One line for the terminal: errors of ours carry code, cause and next step; any other is a defect, with its stack. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code, syscall, address, port } = error as NodeJS.ErrnoException & { address?: string; port?: number };
  if (syscall === 'listen') {
    const why = code === 'EADDRINUSE' ? 'another process listens there' : error.message;
    return `FLOW_CLI_LISTEN: cannot listen on ${address}:${port}: ${why}; choose another port with a --…-listen flag`;
  }
  if (code?.startsWith('FLOW_') === true) {
    return error.message.startsWith(code) ? error.message : `${code}: ${error.message}`;
  }
  return error.stack ?? error.message;
}

/**
 * Runs one command line.
 * @returns exit code: the command's own; 1 if it threw; 2 for a command that does not exist.
 */
export async function run(argv: string[]): Promise<number> {
  const [name = 'help', ...rest] = argv;
  if (['help', '--help', '-h'].includes(name)) {
    process.stdout.write(helpText());
    return 0;
  }
  const command = COMMANDS[name];
  if (command === undefined) {
    process.stderr.write(`FLOW_CLI_COMMAND: there is no command '${name}'\n\n${helpText()}`);
    return 2;
  }
  try {
    return await (await command.load()).main(rest);
  } catch (error) {
    process.stderr.write(`${describe(error)}\n`);
    return 1;
  }
}

if (import.meta.main) {
  endWithParent();
  process.exit(await run(process.argv.slice(2)));
}
