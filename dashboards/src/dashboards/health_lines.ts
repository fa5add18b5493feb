/** Lines of the health dashboard. */
import type { Line } from '../panels.ts';
import * as own from '../queries/own.ts';
import { sumRate } from '../queries/promql.ts';
import { NOW } from '../variables.ts';

export const INSTANCE = '{{instance}}';

/** Per-second rate of a counter. */
export const rates = (counter: string, by: readonly string[], legend: string): Line => ({
  expr: sumRate(counter, NOW, by),
  legend,
});

/** Median and 99th percentile of a histogram. */
export const quantiles = (histogram: string, by: readonly string[], legend: string): Line[] =>
  [0.5, 0.99].map((rank) => ({
    expr: own.quantileOf(rank, histogram, NOW, by),
    legend: `p${rank * 100}${legend === '' ? '' : ` ${legend}`}`,
  }));
