/** Sorts the rows of all answers by the edge that they are about. */
import { type Answers, numberOf, type Row, textOf } from './answers.ts';
import type { Edge, EdgeEnd } from './finding.ts';

/** Answers that are sorted by their rows' edge. */
const PARTS = ['requests', 'slow', 'slow_at_client', 'events', 'sent', 'duplicates', 'connections'] as const;
type Part = (typeof PARTS)[number];

/** Everything that the answers tell about one edge. */
export interface EdgeFacts extends Pick<Answers, Part> {
  readonly edge: Edge;
  /** Rows of /v1/edges; for an unknown destination they count all unknown ones on the port. */
  readonly totals: readonly Row[];
}

/** Name of an end for people and ids. */
export function endName({ namespace, workload, name, address }: EdgeEnd): string {
  const who = workload ?? name;
  if (who !== null) return namespace === null ? who : `${namespace}/${who}`;
  if (address === null) return 'unknown';
  return address.includes(':') ? `[${address}]` : address;
}

/** `<source> -> <destination>:<port>`. */
export function edgeName({ source, destination, destination_port }: Edge): string {
  return `${endName(source)} -> ${endName(destination)}:${destination_port}`;
}

type End = 'source' | 'destination';

function namesOf(answers: Answers): Map<string, Omit<EdgeEnd, 'endpoint_id' | 'address'>> {
  const names = new Map<string, Omit<EdgeEnd, 'endpoint_id' | 'address'>>();
  for (const row of answers.edges) {
    for (const end of ['source', 'destination'] as const) {
      const id = textOf(row, `${end}_endpoint_id`);
      if (id === null) continue;
      const [namespace, workload, name] = ['namespace', 'workload', 'name'].map((each) =>
        textOf(row, `${end}_${each}`),
      );
      names.set(id, { namespace: namespace ?? null, workload: workload ?? null, name: name ?? null });
    }
  }
  return names;
}

/** What a row says of its destination: its id, or else its address. */
const destinationKey = (row: Row) =>
  textOf(row, 'destination_endpoint_id') ?? `at ${textOf(row, 'destination_address')}`;
const place = (row: Row) => `${textOf(row, 'source_address')} ${destinationKey(row)} ${row.destination_port}`;

/**
 * Clients by address and by what they talk to. A connection that never came to be does not always tell whose it was; at
 * the same address, to the same destination, it is the same client's as far as there is only one.
 */
function clientsByPlace(answers: Answers): Map<string, string | null> {
  const clients = new Map<string, string | null>();
  for (const row of answers.events) {
    const id = textOf(row, 'source_endpoint_id');
    if (id === null || textOf(row, 'source_address') === null) continue;
    const known = clients.get(place(row));
    clients.set(place(row), known === undefined || known === id ? id : null);
  }
  return clients;
}

/** All edges that the answers tell something about. */
export function edgeFacts(answers: Answers): EdgeFacts[] {
  const names = namesOf(answers);
  const clients = clientsByPlace(answers);
  const endsKey = (source: string | null, destination: string | null, port: number) =>
    `${source} ${destination} ${port}`;
  const byEnds = Map.groupBy(answers.edges, (row) =>
    endsKey(
      textOf(row, 'source_endpoint_id'),
      textOf(row, 'destination_endpoint_id'),
      numberOf(row, 'destination_port'),
    ),
  );
  const sourceOf = (row: Row) => textOf(row, 'source_endpoint_id') ?? clients.get(place(row)) ?? null;
  const found = new Map<string, Record<Part, Row[]> & { readonly row: Row; readonly source: string | null }>();
  for (const part of PARTS) {
    for (const row of answers[part]) {
      const source = sourceOf(row);
      const key = `${source} ${destinationKey(row)} ${row.destination_port}`;
      const facts = found.get(key) ?? {
        row,
        source,
        ...{ requests: [], slow: [], slow_at_client: [], events: [], sent: [], duplicates: [], connections: [] },
      };
      facts[part].push(row);
      found.set(key, facts);
    }
  }
  const endOf = (end: End, id: string | null, rows: readonly Row[]): EdgeEnd => {
    const known = id === null ? undefined : names.get(id);
    const addresses = new Set(rows.map((row) => textOf(row, `${end}_address`)));
    const [address = null] = addresses.size === 1 ? addresses : [];
    const { namespace = null, workload = null, name = null } = known ?? {};
    return { endpoint_id: id, namespace, workload, name, address: known === undefined ? address : null };
  };
  return [...found.values()].map(({ row, source, ...parts }) => {
    const destination = textOf(row, 'destination_endpoint_id');
    const port = numberOf(row, 'destination_port');
    const rows = PARTS.flatMap((part) => parts[part]);
    const edge = {
      source: endOf('source', source, rows),
      destination: endOf('destination', destination, rows),
      destination_port: port,
    };
    const totals = byEnds.get(endsKey(source, destination, port)) ?? [];
    return { edge, totals, ...parts };
  });
}
