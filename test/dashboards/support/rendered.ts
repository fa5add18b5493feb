/** The committed dashboards as tests read them. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A query of a panel. */
export interface Target {
  readonly refId: string;
  readonly datasource: { readonly type: string; readonly uid: string };
  readonly expr?: string;
  readonly instant?: boolean;
  readonly rawSql?: string;
}

/** A panel, or the head of a row of them. */
export interface RenderedPanel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly datasource?: { readonly type: string; readonly uid: string };
  readonly targets?: readonly Target[];
  readonly fieldConfig?: {
    readonly defaults: { readonly unit?: string };
    readonly overrides: readonly { readonly properties: readonly { readonly id: string; readonly value: unknown }[] }[];
  };
  readonly links?: readonly { readonly url?: string }[];
}

/** A variable. */
export interface RenderedVariable {
  readonly name: string;
  readonly type: string;
  readonly query?: string | { readonly query: string };
  readonly datasource?: { readonly uid: string };
  readonly includeAll?: boolean;
  readonly multi?: boolean;
  readonly allValue?: string;
  readonly current?: { readonly value: unknown };
}

/** A dashboard. */
export interface Rendered {
  readonly uid: string;
  readonly title: string;
  readonly panels: readonly RenderedPanel[];
  readonly templating: { readonly list: readonly RenderedVariable[] };
  readonly links: readonly { readonly url?: string; readonly type: string }[];
}

/** Folder dashboards/ of the repository. */
export const DASHBOARDS = fileURLToPath(new URL('../../../dashboards/', import.meta.url));

/** Every committed dashboard. */
export function rendered(): Rendered[] {
  const folder = join(DASHBOARDS, 'grafana');
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Rendered);
}

/** The dashboard with this uid. */
export function board(uid: string): Rendered {
  const found = rendered().find((one) => one.uid === uid);
  if (found === undefined) throw new Error(`no dashboard ${uid} in dashboards/grafana`);
  return found;
}

/** Its panels that ask something. */
export function asking(one: Rendered): RenderedPanel[] {
  return one.panels.filter(({ type }) => type !== 'row');
}

/** Words by which a panel's description says that it may rightly be empty. */
export const MAY_BE_EMPTY = / Empty when [^.]+\.$/;
