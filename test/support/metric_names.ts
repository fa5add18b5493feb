/**
 * What a process has published at GET /metrics: others' dashboards and alerts hold on to it. A committed list may be added
 * to, and changes only on purpose: UPDATE=1 writes it anew.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import type { Metric } from 'prom-client';
import type { MetricsPage } from '../../collector/src/telemetry/metrics_page.ts';

/** prom-client's metrics hold more than its types tell. */
type Known = Metric & { readonly name: string; readonly labelNames: readonly string[] };

/** Lines `name type unit labels`, sorted; the unit is what HELP ends with, else the name's. */
async function publishedNames(page: MetricsPage): Promise<string[]> {
  const { body } = await page.answer(undefined);
  const known = new Map((page.registry.getMetricsAsArray() as unknown as Known[]).map((one) => [one.name, one]));
  const families = [...body.matchAll(/^# HELP (\w+) (.*)\n# TYPE \w+ (\w+)\n(?:\w+\{(.*)\})?/gm)];
  return families
    .map(([, name = '', help = '', type, labels = '']) => {
      const unit = /Unit: (\w+)\.$/.exec(help)?.[1] ?? /_(seconds|bytes)(?:_total)?$/.exec(name)?.[1] ?? '-';
      const names = known.get(name)?.labelNames ?? [...labels.matchAll(/(\w+)="/g)].map((match) => match[1]);
      return `${name} ${type} ${unit} ${names.join()}`.trim();
    })
    .sort();
}

/** Fails if the page has other names than the list. */
export async function assertPublishedNames(page: MetricsPage, list: URL): Promise<void> {
  const names = await publishedNames(page);
  if (process.env.UPDATE === '1') writeFileSync(list, `${names.join('\n')}\n`);
  assert.deepEqual(names, readFileSync(list, 'utf8').trim().split('\n'));
}
