/**
 * cgroup v1 beside v2, the hybrid layout: where this machine has v1 hierarchies mounted, a node can have cgroups of its own
 * in each. They stand below those of this process, so that limits on it hold for the node as well.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { note, removeNow, uniqueName } from '../../../deploy/lab/registry.ts';

/** A cgroup in a v1 hierarchy. */
export interface LegacyCgroup {
  /** What mounts its hierarchy, such as `memory`, `cpu,cpuacct` or `name=systemd`. */
  readonly hierarchy: string;
  readonly path: string;
}

/** v1 hierarchies of this machine by what mounts them, with the cgroup in which this process is. */
function ownCgroups(): LegacyCgroup[] {
  const mounts = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([, , type]) => type === 'cgroup');
  return readFileSync('/proc/self/cgroup', 'utf8')
    .split('\n')
    .flatMap((line) => {
      const [, hierarchy = '', path = ''] = line.split(':');
      const mount = mounts.find(([, , , options = '']) =>
        hierarchy.split(',').every((name) => options.split(',').includes(name)),
      );
      return mount === undefined ? [] : [{ hierarchy, path: join(mount[1] as string, path) }];
    });
}

/** Why no node can have the hybrid layout here; undefined if it can. For a test's `skip`. */
export function whyNoHybrid(): string | undefined {
  const there = new Set(ownCgroups().flatMap(({ hierarchy }) => hierarchy.split(',')));
  const missing = ['cpu', 'cpuacct', 'cpuset', 'memory', 'pids'].filter((name) => !there.has(name));
  return missing.length === 0 ? undefined : `this machine has no cgroup v1 hierarchy of ${missing.join(', ')}`;
}

/** Makes a cgroup in each v1 hierarchy. To be called before the v2 cgroup is made whose removal empties them. */
export function createLegacyCgroups(): LegacyCgroup[] {
  const name = uniqueName();
  return ownCgroups().map(({ hierarchy, path: parent }) => {
    const path = join(parent, name);
    note('cgroup', path);
    mkdirSync(path);
    if (hierarchy.split(',').includes('cpuset')) {
      // Without both, nothing can be put into it; those below take them from here.
      for (const file of ['cpuset.cpus', 'cpuset.mems'])
        writeFileSync(join(path, file), readFileSync(join(parent, file)));
      writeFileSync(join(path, 'cgroup.clone_children'), '1');
    }
    // A cgroup has the weight of one process; what would run beside it without v1 has more together.
    if (hierarchy.split(',').includes('cpu')) writeFileSync(join(path, 'cpu.shares'), `${20 * 1024}`);
    return { hierarchy, path };
  });
}

/** A cgroup below each. */
export function createBelow(parents: readonly LegacyCgroup[], name: string): LegacyCgroup[] {
  return parents.map(({ hierarchy, path }) => {
    mkdirSync(join(path, name));
    return { hierarchy, path: join(path, name) };
  });
}

/** Removes them and what is below; whatever ran in them has ended. */
export function removeLegacyCgroups(cgroups: readonly LegacyCgroup[]): void {
  for (const { path } of cgroups) removeNow('cgroup', path);
}
