/** What the demo breaks, one after another, and what Flowspan has to say to it. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Cause } from '../../query-api/cli/explain/finding.ts';
import { CORRELATED, type FiredAlert } from './alerts.ts';
import type { HostName, Shop } from './shop.ts';

/** A cause on an edge. */
export interface ExpectedCause {
  readonly cause: Cause;
  readonly source: HostName;
  readonly destination: HostName;
}

/** One thing that is broken for a while. */
export interface Fault {
  readonly name: string;
  /** What is done, as a sentence. */
  readonly title: string;
  /** Breaks it, and resolves with what mends it. */
  readonly inject: (shop: Shop) => Promise<() => Promise<void> | void> | (() => Promise<void> | void);
  /** How long it stays broken, seconds. */
  readonly lastsS: number;
  /** The causes that no other explains. Everything else that is found must follow from one of them. */
  readonly causes: readonly ExpectedCause[];
  /**
   * Alerts that must fire. FlowspanRetransmitsWithServerErrors may fire for no edge but these, others besides on edges
   * with a finding.
   */
  readonly alerts: readonly FiredAlert[];
  /** Reasons for which single facts may be told as lost. Default: none. */
  readonly mayLose?: readonly string[];
}

const LOSS = 0.02;
const PAYING = { source: 'checkout', destination: 'payments' } as const;
const FILLING = { source: 'checkout', destination: 'cart' } as const;
const BROWSING = { source: 'gateway', destination: 'catalog' } as const;
const ON_THE_MOVE = { source: 'mobile', destination: 'gateway' } as const;

/** All faults, in the order in which the demo goes through them. */
export const FAULTS: readonly Fault[] = [
  {
    name: 'loss',
    title: 'the link of payments loses 2 % of its packets',
    inject: ({ network }) => network.lose('payments', LOSS),
    lastsS: 12,
    causes: [{ cause: 'packet_loss', ...PAYING }],
    alerts: [{ alert: 'FlowspanRetransmits', ...PAYING }],
  },
  {
    name: 'reads_late',
    title: 'catalog is busy elsewhere for 400 ms at a time and reads late',
    inject: (shop) => {
      shop.behave('catalog', { busy_ms: 400 });
      return () => shop.behave('catalog', {});
    },
    lastsS: 10,
    causes: [{ cause: 'reads_late', ...BROWSING }],
    alerts: [],
  },
  {
    name: 'server_error',
    title: 'payments answers one charge in two with 503',
    inject: (shop) => {
      shop.breakPayments(true);
      return () => shop.breakPayments(false);
    },
    lastsS: 12,
    causes: [{ cause: 'server_error', ...PAYING }],
    alerts: [{ alert: 'FlowspanServerErrors', ...PAYING }],
  },
  {
    name: 'slow_application',
    title: 'cart takes 600 ms for each answer',
    inject: (shop) => {
      shop.behave('cart', { answer_after_ms: 600 });
      return () => shop.behave('cart', {});
    },
    lastsS: 10,
    causes: [{ cause: 'slow_application', ...FILLING }],
    alerts: [],
  },
  {
    name: 'both',
    title: 'payments answers one charge in two with 503, and its link loses 2 % of its packets',
    inject: (shop) => {
      const mend = shop.network.lose('payments', LOSS);
      shop.breakPayments(true);
      return () => {
        mend();
        shop.breakPayments(false);
      };
    },
    lastsS: 15,
    causes: [
      { cause: 'packet_loss', ...PAYING },
      { cause: 'server_error', ...PAYING },
    ],
    alerts: [{ alert: CORRELATED, ...PAYING }],
  },
  {
    name: 'connection_refused',
    title: 'nobody listens on the port of cart',
    inject: async (shop) => {
      await shop.stopService('cart');
      return () => shop.startService('cart');
    },
    lastsS: 8,
    causes: [{ cause: 'connection_refused', ...FILLING }],
    alerts: [{ alert: 'FlowspanConnectFailures', ...FILLING }],
  },
  {
    name: 'client_abort',
    title: 'mobile gives up after 100 ms on a report that takes 400 ms',
    inject: (shop) => shop.mobile('-m 0.1 "http://$GATEWAY/catalog/report"', 0.2),
    lastsS: 10,
    causes: [{ cause: 'client_abort', ...ON_THE_MOVE }],
    alerts: [],
  },
  {
    name: 'accept_queue_overflow',
    title: 'catalog lets two connections wait to be accepted, and mobile asks for twenty pages at once',
    inject: async (shop) => {
      shop.behave('catalog', { backlog: 1, work_ms: 3 });
      // The crowd finds the new listener, not the change.
      await sleep(500);
      const stop = shop.mobile(
        '-Z --parallel-immediate --parallel-max 20 "http://$GATEWAY/catalog/items?page=[1-20]"',
        1,
      );
      return async () => {
        await stop();
        shop.behave('catalog', {});
      };
    },
    lastsS: 12,
    causes: [{ cause: 'accept_queue_overflow', ...BROWSING }],
    alerts: [{ alert: 'FlowspanAcceptQueueOverflows', ...BROWSING }],
    // A queue that fills between Flowspan's look and TCP's: first bytes were read, and TCP drops them.
    mayLose: ['listener_data'],
  },
];

/**
 * Faults by name, in the order of FAULTS.
 * @param words names separated by commas; empty: all; `none`: none
 * @throws Error with FLOW_DEMO_FAULT for a name that there is not
 */
export function chosenFaults(words: string): readonly Fault[] {
  if (words === '') return FAULTS;
  if (words === 'none') return [];
  const wanted = words.split(',');
  const names = FAULTS.map(({ name }) => name);
  const wrong = wanted.find((name) => !names.includes(name));
  if (wrong !== undefined) {
    throw new Error(`FLOW_DEMO_FAULT: there is no fault '${wrong}'; FAULTS takes none, or some of ${names.join(',')}`);
  }
  return FAULTS.filter(({ name }) => wanted.includes(name));
}
