/**
 * Every program of the BPF object: where it attaches, since which kernel, and what is lost without it. A test compares
 * the names with the object's.
 */
import type { LoadableProgram } from './load_object.ts';

/** How a program is brought to run. */
export type ProgramKind =
  /** Attached to the tracepoint its section names. */
  | 'tp_btf'
  /** Attached to the root of the cgroup v2 mount. */
  | 'cgroup_skb'
  /** The same: called by TCP instead of for packets. */
  | 'sock_ops'
  /** Put into the data plane's array of programs that its redirect calls. */
  | 'redirect_reader'
  /** Attached as an iterator, run by the collector. */
  | 'iterator'
  /** Only loaded; run by the collector. */
  | 'syscall';

/** One program and what it is for; without one that is `required` the collector refuses to start. */
export interface Program extends LoadableProgram {
  readonly kind: ProgramKind;
  /** Iterators over a map: its name. */
  readonly map?: string;
  /** Run before any other program is attached, when maps of an earlier run were taken up (see kept_maps.ts). */
  readonly resumes?: true;
  /** Whether each run may write an event, so that a run that the kernel skips is one that is lost. */
  readonly writesEvents?: true;
}

/** First kernel that has every feature of the required programs: `bpf_loop` came with 5.17. */
export const KERNEL_FLOOR = '5.17';

/** In the order in which they are attached: what creates a socket's storage comes before what fills it. */
export const PROGRAMS: readonly Program[] = [
  {
    name: 'resume_sockets',
    kind: 'iterator',
    map: 'sockets',
    resumes: true,
    required: false,
    kernelFloor: '5.11',
    missing: 'what connections did between two runs of the collector',
  },
  {
    name: 'resume_udp_flows',
    kind: 'syscall',
    resumes: true,
    required: false,
    kernelFloor: '5.14',
    missing: 'what UDP flows did just before the collector was killed',
  },
  {
    name: 'inet_sock_set_state',
    kind: 'tp_btf',
    required: true,
    kernelFloor: '5.11',
    missing: 'connections: their opening, roles and end, and everything that hangs on them',
  },
  {
    name: 'tcp_callback',
    kind: 'sock_ops',
    required: false,
    kernelFloor: '5.11',
    missing: 'the opening or end of connections whose change of state the kernel keeps from the tracepoint',
  },
  {
    name: 'sock_recv_length',
    kind: 'tp_btf',
    required: false,
    kernelFloor: '6.3',
    missing: 'when the application read a request, and the owner of connections that it only reads from',
  },
  {
    name: 'sock_send_length',
    kind: 'tp_btf',
    required: false,
    kernelFloor: '6.3',
    missing: 'the owner of connections that the application only writes to',
  },
  {
    name: 'tcp_retransmit_skb',
    kind: 'tp_btf',
    writesEvents: true,
    required: false,
    kernelFloor: '5.11',
    missing: 'retransmit events with their cause, and retransmits as evidence of a request',
  },
  {
    name: 'tcp_retransmit_synack',
    kind: 'tp_btf',
    writesEvents: true,
    required: false,
    kernelFloor: '5.11',
    missing: 'SYN-ACKs that were sent again',
  },
  {
    name: 'tcp_send_reset',
    kind: 'tp_btf',
    writesEvents: true,
    required: false,
    kernelFloor: '5.11',
    missing: 'resets this machine sent, and close causes that follow from them',
  },
  {
    name: 'tcp_receive_reset',
    kind: 'tp_btf',
    writesEvents: true,
    required: false,
    kernelFloor: '5.11',
    missing: 'resets this machine received, and close causes that follow from them',
  },
  {
    name: 'kfree_skb',
    kind: 'tp_btf',
    writesEvents: true,
    required: false,
    kernelFloor: '5.17',
    missing: 'dropped packets and the reason the kernel gives',
  },
  {
    name: 'cgroup_mkdir',
    kind: 'tp_btf',
    required: false,
    kernelFloor: '5.8',
    missing: 'when a cgroup began: endpoints that live shorter than a scan stay unresolved',
  },
  {
    name: 'cgroup_rmdir',
    kind: 'tp_btf',
    required: false,
    kernelFloor: '5.8',
    missing: 'when a cgroup ended: endpoints end at the next scan instead',
  },
  {
    name: 'cgroup_ingress',
    kind: 'cgroup_skb',
    required: true,
    kernelFloor: '5.17',
    missing: 'received payload: requests, UDP flows, zero windows and accept-queue overflows',
  },
  {
    name: 'cgroup_egress',
    kind: 'cgroup_skb',
    required: true,
    kernelFloor: '5.17',
    missing: 'sent payload: responses and UDP flows',
  },
  {
    name: 'adopt_sockets',
    kind: 'iterator',
    required: false,
    kernelFloor: '5.11',
    missing: 'connections older than the collector, until their next packet',
  },
  {
    name: 'snapshot_flows',
    kind: 'iterator',
    map: 'sockets',
    required: true,
    kernelFloor: '5.11',
    missing: 'rows of connections that stay open',
  },
  {
    name: 'sweep_udp_flows',
    kind: 'syscall',
    required: false,
    kernelFloor: '5.14',
    missing: 'rows of UDP flows',
  },
  {
    name: 'tell_refusals',
    kind: 'syscall',
    required: false,
    kernelFloor: '5.14',
    missing: 'rows of connections that were refused since their service has no backend',
  },
  {
    name: 'apply_address_changes',
    kind: 'syscall',
    required: false,
    kernelFloor: '5.17',
    missing: 'whose address the other end had, of pods that nobody remembers any more',
  },
];

/** Those that there is nothing for where no data plane redirects. */
export const SHARED_PROGRAMS: readonly Program[] = [
  {
    name: 'redirected_message',
    kind: 'redirect_reader',
    required: false,
    kernelFloor: '6.12',
    missing: 'requests of connections that the data plane redirects past TCP',
  },
];
