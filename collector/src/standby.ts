/**
 * One collector of a machine has its data plane. A second one of the same release tries whether the data plane loads, says
 * that it is ready, and waits until the first is gone: then it takes its place, and nothing was detached meanwhile.
 */
import { setTimeout as wait } from 'node:timers/promises';
import type { Logger } from 'pino';
import { FlowspanError } from '../../store/errors.ts';
import { LoadedDataplane, removeDataplane } from './attach/dataplane/load.ts';
import { type DataplaneHolder, describeHolder, type Taken, takeDataplane } from './attach/dataplane/lock.ts';
import { DataplanePins } from './attach/dataplane/pins.ts';
import { checkHost, type Host } from './attach/host.ts';
import { type Config, parseListen } from './config.ts';
import { stepsWanted } from './config_dataplane.ts';
import { knowsObjects } from './control/kubernetes/open.ts';
import { Counters } from './counters.ts';
import { CollectorHttp } from './deliver/http.ts';
import { LiveFeed } from './deliver/live.ts';
import { dataplaneFamilies } from './deliver/prometheus/dataplane_families.ts';
import { Scrapes } from './deliver/prometheus/scrapes.ts';
import type { HeldName } from './held_name.ts';
import { type LoadedKernel, loadKernel } from './kernel.ts';
import { bootId } from './machine.ts';
import { MetricsPage } from './telemetry/metrics_page.ts';
import { VERSION } from './version.ts';

/** How often a port that the holder has is tried again. */
const LISTEN_MS = 1000;

/** The data plane of this machine is ours. */
export interface Turn {
  readonly held: HeldName;
  /** What observes was loaded while we stood by: it can be attached at once. */
  readonly kernel?: LoadedKernel | undefined;
}

const isHeld = (taken: HeldName | Taken): taken is HeldName => 'release' in taken;

/**
 * Takes the data plane of this machine where a step is wanted; where none is, takes off what an earlier run has left.
 * @param signal ends the wait
 * @param standingBy called once if it has to wait, when it is ready
 * @returns undefined where no step is wanted, or the wait was ended
 * @throws FlowspanError FLOW_DATAPLANE_HELD if a collector of another release has it, AttachError if it does not load
 */
export async function holdDataplane(
  config: Config,
  log: Logger,
  signal: AbortSignal,
  standingBy: () => void,
): Promise<Turn | undefined> {
  const { pin_dir } = config.collector;
  if (pin_dir === '') return undefined;
  if (stepsWanted(config.dataplane).length === 0) {
    await leaveDataplane(pin_dir, log);
    return undefined;
  }
  let standby: Standby | undefined;
  try {
    for (;;) {
      const taken = await takeDataplane(pin_dir, VERSION);
      if (isHeld(taken)) return { held: taken, kernel: standby?.takeKernel() };
      try {
        refuseOther(taken.holder, pin_dir);
        if (standby === undefined) {
          standby = new Standby(config, log);
          log.info({ holder: taken.holder }, `standing by: ${describeHolder(taken.holder)} has the data plane`);
          standingBy();
        }
        standby.holder = taken.holder;
        await Promise.race([taken.gone, aborted(signal)]);
      } finally {
        taken.close();
      }
      if (signal.aborted) return undefined;
    }
  } finally {
    await standby?.close();
  }
}

function refuseOther(holder: DataplaneHolder, pinDir: string): void {
  if (holder.release === VERSION) return;
  const message = `${describeHolder(holder)} has the data plane of ${pinDir}, and this is ${VERSION}: stop it first, what it has attached stays until this one replaces it`;
  throw new FlowspanError('FLOW_DATAPLANE_HELD', message);
}

/** All steps were set back to observe: what was attached for them is taken off, live connections go on. */
async function leaveDataplane(pinDir: string, log: Logger): Promise<void> {
  const pins = new DataplanePins(pinDir);
  if (pins.isEmpty) return;
  const taken = await takeDataplane(pinDir, VERSION);
  if (!isHeld(taken)) {
    taken.close();
    log.info({ holder: taken.holder }, 'another collector has the data plane, this one only observes');
    return;
  }
  try {
    const { links, maps } = removeDataplane(pins);
    log.info(
      { links: links.length, maps: maps.length },
      'no step is wanted: the data plane of an earlier run was removed',
    );
  } finally {
    taken.release();
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** What observes, over the maps that the holder has pinned; undefined if it cannot be had before it is our turn. */
function observerAhead(config: Config, host: Host, layout: string, log: Logger): LoadedKernel | undefined {
  const pins = new DataplanePins(config.collector.pin_dir);
  const redirects = stepsWanted(config.dataplane).includes('redirect');
  try {
    return loadKernel(config, host, knowsObjects(config), { path: (map) => pins.map(layout, map), redirects });
  } catch (error) {
    log.info({ reason: (error as Error).message }, 'what observes is loaded when it is our turn');
    return undefined;
  }
}

/** What a collector that stands by answers. */
class Standby {
  holder: DataplaneHolder | undefined;
  readonly #http: CollectorHttp;
  readonly #closing = new AbortController();
  readonly #listening: Promise<void>;
  #kernel: LoadedKernel | undefined;

  /** @throws AttachError if the data plane does not load here */
  constructor(config: Config, log: Logger) {
    const { cgroup_root, dataplane_object } = config.collector;
    const host = checkHost(cgroup_root === '' ? undefined : cgroup_root);
    const steps = stepsWanted(config.dataplane);
    const tried = new LoadedDataplane({
      ...{ cgroupRoot: host.cgroupRoot, steps, pins: undefined, log },
      objectPath: dataplane_object || undefined,
    });
    this.#kernel = observerAhead(config, host, tried.layout, log);
    const programs = tried.programs.map(({ name, step, reason }) => ({ name, step, attached: false, reason }));
    tried.close();
    const page = new MetricsPage('collector', VERSION);
    page.add(() => dataplaneFamilies('standby', []));
    const live = { counters: new Counters(), maxClients: 0, clientBufferBytes: 0, rowsPerSecond: 0 };
    const scope = { cluster: config.cluster, node: config.node, boot_id: bootId() };
    this.#http = new CollectorHttp({
      ...parseListen(config.collector.listen)!,
      token: config.collector.token,
      live: new LiveFeed(live),
      notReady: () => [],
      status: () => ({
        ...{ version: VERSION, ...scope },
        dataplane: { ...config.dataplane, role: 'standby', holder: this.holder, programs },
      }),
      metrics: new Map([['/metrics', new Scrapes({ pieces: (accept) => page.pieces(accept) })]]),
    });
    this.#listening = this.#listen(log);
  }

  /** From now on it is the caller's. */
  takeKernel(): LoadedKernel | undefined {
    const kernel = this.#kernel;
    this.#kernel = undefined;
    return kernel;
  }

  async close(): Promise<void> {
    this.#kernel?.close();
    this.#closing.abort();
    await this.#listening;
    await this.#http.close();
  }

  /** The holder may have the port: it answers there, and whoever asks means it. */
  async #listen(log: Logger): Promise<void> {
    const { signal } = this.#closing;
    for (let tries = 0; !signal.aborted; tries += 1) {
      try {
        const port = await this.#http.listen();
        return log.info({ port }, 'standing by');
      } catch (error) {
        if (tries === 0) log.info({ reason: (error as Error).message }, 'standing by without a port');
      }
      await wait(LISTEN_MS, undefined, { signal }).catch(() => undefined);
    }
  }
}
