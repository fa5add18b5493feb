/** How hard the collector works, measured against its budget. */

/** Requests have a ring of their own: flows and TCP events, in `records`, do not take their room. */
export type RingName = 'records' | 'request_records';

export interface RingLoad {
  /** Share that waits to be read, 0 to 1. */
  readonly fill: number;
  /** Whether records found no room in it. */
  readonly lost: boolean;
}

/** What was measured since the last time. */
export interface Measurement {
  /** Of a clock that nobody sets, milliseconds. */
  readonly nowMs: number;
  /** Processor time of the process, as a share of one core. */
  readonly cpu: number;
  /** Resident memory, bytes. */
  readonly memoryBytes: number;
  /** Whether that is more than lately. */
  readonly memoryGrows: boolean;
  readonly rings: Readonly<Record<RingName, RingLoad>>;
  /** Share of the memory for rows that is taken, 0 to 1. */
  readonly rowFill: number;
}

/** `collector.governor` */
export interface Budget {
  /** Share of one core. */
  readonly cpu: number;
  readonly memoryBytes: number;
}

export const RESOURCES = ['cpu', 'memory', 'requests_ring', 'rows', 'records_ring'] as const;
export type Resource = (typeof RESOURCES)[number];

/** 1 is the budget: what is above must be shed. */
export interface Pressure {
  readonly value: number;
  /** What is scarcest. */
  readonly of: Resource;
}

/** A ring or the memory for rows that is filled so far will be full before long. */
const FILLED = 0.5;
/** Rows that fill their memory so far are what takes memory: fewer of them will help. */
const FILLING = 0.25;
/** Records are being lost already. */
const LOSING = 4;

/** The pressure of whatever is scarcest of what fewer requests would relieve. */
export function pressureOf(measured: Measurement, budget: Budget): Pressure {
  const memory = measured.memoryBytes / budget.memoryBytes;
  // Shedding frees no memory: it only keeps more from being taken. So memory within its budget holds nothing back.
  const memoryCounts = memory > 1 && (measured.memoryGrows || measured.rowFill >= FILLING);
  return scarcest([
    { value: measured.cpu / budget.cpu, of: 'cpu' },
    { value: memoryCounts ? memory : 0, of: 'memory' },
    { value: ringPressure(measured.rings.request_records), of: 'requests_ring' },
    { value: measured.rowFill / FILLED, of: 'rows' },
  ]);
}

/** The pressure of flows and TCP events on their ring. */
export const recordsPressureOf = ({ rings }: Measurement): Pressure => ({
  value: ringPressure(rings.records),
  of: 'records_ring',
});

/** The greatest. @param pressures at least one */
export const scarcest = (pressures: readonly Pressure[]): Pressure =>
  pressures.reduce((most, pressure) => (pressure.value > most.value ? pressure : most));

const ringPressure = ({ fill, lost }: RingLoad): number => (lost ? Math.max(fill / FILLED, LOSING) : fill / FILLED);
