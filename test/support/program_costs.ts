/** What the BPF programs of a process have cost, from the kernel's program statistics. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Runs and time of one program. */
export interface Cost {
  readonly runs: number;
  /** Nanoseconds. */
  readonly time: number;
}

const names = new Map<string, string>();

function nameOf(id: string): string {
  const known = names.get(id);
  if (known !== undefined) return known;
  const name = (
    JSON.parse(execFileSync('bpftool', ['-j', 'prog', 'show', 'id', id], { encoding: 'utf8' })) as { name: string }
  ).name;
  names.set(id, name);
  return name;
}

/** Costs so far of every program that the process holds, by name. Counts only while statistics are enabled. */
export function programCosts(pid: number): Map<string, Cost> {
  const folder = `/proc/${pid}/fdinfo`;
  const costs = new Map<string, Cost>();
  for (const descriptor of readdirSync(folder)) {
    let text: string;
    try {
      text = readFileSync(join(folder, descriptor), 'utf8');
    } catch {
      continue; // closed meanwhile
    }
    const field = (name: string): string | undefined => new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1];
    const id = field('prog_id');
    if (id === undefined || field('run_cnt') === undefined) continue;
    costs.set(nameOf(id), { runs: Number(field('run_cnt')), time: Number(field('run_time_ns')) });
  }
  return costs;
}

/** What was added between two looks; programs that did not run are left out. */
export function costsBetween(before: ReadonlyMap<string, Cost>, after: ReadonlyMap<string, Cost>): Map<string, Cost> {
  const between = [...after].map(([name, cost]): [string, Cost] => {
    const earlier = before.get(name) ?? { runs: 0, time: 0 };
    return [name, { runs: cost.runs - earlier.runs, time: cost.time - earlier.time }];
  });
  return new Map(between.filter(([, { runs }]) => runs > 0));
}
