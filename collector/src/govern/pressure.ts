/** How hard the collector works, measured against its budget. */

/** What was measured since the last time. */
export interface Measurement {
  /** Of a clock that nobody sets, milliseconds. */
  readonly nowMs: number;
  /** Processor time of the process, as a share of one core. */
  readonly cpu: number;
  /** Resident memory, bytes. */
  readonly memoryBytes: number;
  /** Share of the fullest ring that waits to be read, 0 to 1. */
  readonly ringFill: number;
  /** Whether records found no room in a ring. */
  readonly ringLost: boolean;
  /** Share of the memory for rows that is taken, 0 to 1. */
  readonly rowFill: number;
}

/** `collector.governor` */
export interface Budget {
  /** Share of one core. */
  readonly cpu: number;
  readonly memoryBytes: number;
}

export const RESOURCES = ['cpu', 'memory', 'ring', 'rows'] as const;
export type Resource = (typeof RESOURCES)[number];

/** 1 is the budget: what is above must be shed. */
export interface Pressure {
  readonly value: number;
  /** What is scarcest. */
  readonly of: Resource;
}

/** Memory does not follow the load as processor time does: below this share of its budget it says nothing. */
const MEMORY_SILENT = 0.9;
/** A ring or the memory for rows that is filled so far will be full before long. */
const FILLED = 0.5;
/** Records are being lost already. */
const LOSING = 4;

/** The pressure of whatever is scarcest. */
export function pressureOf(measured: Measurement, budget: Budget): Pressure {
  const memory = measured.memoryBytes / budget.memoryBytes;
  const ring = measured.ringFill / FILLED;
  const values: Readonly<Record<Resource, number>> = {
    cpu: measured.cpu / budget.cpu,
    memory: memory < MEMORY_SILENT ? 0 : memory,
    ring: measured.ringLost ? Math.max(ring, LOSING) : ring,
    rows: measured.rowFill / FILLED,
  };
  const of = RESOURCES.reduce((most, resource) => (values[resource] > values[most] ? resource : most));
  return { value: values[of], of };
}
