/** Pods whose identity was given in an answer, kept ready and compared when news of them come. */
import type { Identity } from '../identity.ts';

export interface ToldPod {
  readonly identity: Identity;
  /** What of it is compared. */
  readonly key: string;
  /** Its cgroup on this node; empty if it was not seen here. */
  readonly cgroupPath: string;
}

/** By the pod's number in the index, the oldest first. */
export class ToldPods extends Map<number, ToldPod> {
  readonly #most: number;

  /** @param most pods that are kept; more only where so many live here */
  constructor(most: number) {
    super();
    this.#most = most;
  }

  /** Beyond the most, the oldest elsewhere goes: it is told anew when it is met again. Those here keep their cgroup. */
  override set(pod: number, told: ToldPod): this {
    for (let looked = this.has(pod) ? 0 : this.size; this.size >= this.#most && looked > 0; looked -= 1) {
      const [oldest] = this.entries();
      if (oldest === undefined) break;
      this.delete(oldest[0]);
      if (oldest[1].cgroupPath !== '') super.set(...oldest);
    }
    return super.set(pod, told);
  }
}
