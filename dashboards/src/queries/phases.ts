/** Mean time of a request in each phase, in PromQL. */
import { phaseSeconds, requests, type Selection, type Window } from './prometheus.ts';

/** Seconds that a request spends in each `phase` on average, over all chosen edges together. */
export function phaseMeans(window: Window, { edges }: Pick<Selection, 'edges'>): string {
  const selection = { ...(edges === undefined ? {} : { edges }), by: [] };
  return `${phaseSeconds(window, selection)} / on () group_left () (${requests(window, selection)} > 0)`;
}
