/**
 * Every program of the data plane's object: which step it belongs to, where it attaches, and what is lost without it.
 * A test compares the names with the object's.
 */
import type { Step } from '../../config_dataplane.ts';
import type { LoadableProgram } from '../load_object.ts';

/** How a program is brought to run. */
export type DataplaneKind =
  /** Attached to the cgroup whose sockets are watched; its section says to what of it. */
  | 'cgroup'
  /** Attached to a map of sockets. */
  | 'sockets'
  /** Attached to network devices that a part names. */
  | 'device'
  /** Only loaded; run by a part. */
  | 'run';

/** One program. The step is not done without one that is `required`. */
export interface DataplaneProgram extends LoadableProgram {
  readonly step: Step;
  readonly kind: DataplaneKind;
  /** Of `sockets`: the map. */
  readonly map?: string;
  /** Of `device`: which packets it sees, as its network namespace sees them. */
  readonly direction?: 'ingress' | 'egress';
}

type Facts = Pick<DataplaneProgram, 'step' | 'kind' | 'required' | 'kernelFloor'>;

const all = (
  facts: Facts & Pick<DataplaneProgram, 'map' | 'direction'>,
  missing: Readonly<Record<string, string>>,
): DataplaneProgram[] => Object.entries(missing).map(([name, lost]) => ({ ...facts, name, missing: lost }));

const balancing = { step: 'load_balancing', kind: 'cgroup', required: true, kernelFloor: '5.17' } as const;
const policy = { step: 'policy', kind: 'cgroup', required: true, kernelFloor: '5.17' } as const;
const redirect = { step: 'redirect', kind: 'cgroup', required: false, kernelFloor: '5.17' } as const;

/** In the order in which they are attached, and run where several are at one place. */
export const DATAPLANE_PROGRAMS: readonly DataplaneProgram[] = [
  ...all(
    { ...balancing, kind: 'run' },
    {
      apply_service_writes: 'the tables of services, which it writes',
    },
  ),
  ...all(
    { ...balancing, kind: 'run', required: false },
    {
      tell_service_choices: 'the list of choices that sockets hold',
    },
  ),
  ...all(balancing, {
    service_connect4: 'services over IPv4',
    service_connect6: 'services over IPv6',
    service_sendmsg4: 'services of UDP sockets that are not connected, over IPv4',
    service_sendmsg6: 'the same over IPv6',
    service_recvmsg4: 'answers to such sockets from the address that they asked, over IPv4',
    service_recvmsg6: 'the same over IPv6',
    service_getpeername4: 'the address that was dialled as the name of the peer, over IPv4',
    service_getpeername6: 'the same over IPv6',
    service_post_bind4: 'the refusal of a local port that a node port would shadow, over IPv4',
    service_post_bind6: 'the same over IPv6',
  }),
  ...all(policy, {
    policy_egress: 'verdicts on what pods begin',
    policy_ingress: 'verdicts on what reaches pods',
  }),
  ...all(
    { ...policy, required: false },
    {
      policy_established: 'what flows say of connections that pods accept, and rules for their requests',
      policy_http_payload: 'requests that came by a device where nobody judged them are kept from the server',
    },
  ),
  ...all(
    { ...policy, kind: 'device', direction: 'ingress', required: false },
    {
      policy_http_ingress: 'verdicts on the requests that reach pods',
    },
  ),
  ...all({ ...redirect, kind: 'run' }, { redirect_is_safe: 'word on whether this kernel has the way past TCP' }),
  ...all(
    { ...policy, kind: 'device', direction: 'egress', required: false },
    {
      http_response_egress: 'a refused request is answered with 403 behind others of its connection: it is reset',
    },
  ),
  // What sockets need is there before one joins.
  ...all(
    { ...redirect, kind: 'sockets', map: 'redirect_ends' },
    {
      redirect_message: 'the way past TCP',
      redirect_take: 'the way past TCP, correct for readers that ask how much there is',
    },
  ),
  ...all(redirect, { redirect_join: 'the way past TCP: nobody joins it' }),
  ...all(
    { ...redirect, kind: 'device', direction: 'ingress' },
    {
      peer_ingress: "the way past the node's stack between two of its pods",
    },
  ),
  ...all(redirect, {
    proxy_connect4: 'proxies for chosen ports, over IPv4',
    proxy_connect6: 'the same over IPv6',
    proxy_established: 'what a proxy asks for: where its connection was meant to go',
    proxy_original_destination: 'the answer to a proxy that asks where its connection was meant to go',
  }),
];
