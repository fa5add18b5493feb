/** A dashboard of rows of panels, at places of their own. */
import type { Builder } from '@grafana/grafana-foundation-sdk/cog';
import {
  type Dashboard,
  DashboardBuilder,
  DashboardCursorSync,
  type DashboardLinkBuilder,
  type Panel,
  RowBuilder,
  TimePickerBuilder,
  type VariableModel,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { siblings, TAG } from './links.ts';
import { dataSources } from './variables.ts';

/** Columns of Grafana's grid. */
const GRID = 24;

/** Panels side by side; the width is shared alike. */
export interface Row {
  /** In units of Grafana's grid, about 38 pixels each. */
  readonly height: number;
  readonly panels: readonly Builder<Panel>[];
}

/** Rows under a title. */
export interface Section {
  readonly title: string;
  readonly rows: readonly Row[];
}

/** A dashboard. */
export interface Board {
  readonly uid: string;
  readonly title: string;
  readonly description: string;
  readonly variables: readonly Builder<VariableModel>[];
  /** To other dashboards, besides the list of all. Default: none. */
  readonly links?: readonly DashboardLinkBuilder[];
  readonly sections: readonly Section[];
  /** Time shown at first, such as `now-1h`. */
  readonly from?: string;
}

/** Gives every panel an id and a place. Ids follow the order: bookmarks of single panels hold while it does. */
function place(board: DashboardBuilder, sections: readonly Section[]): void {
  let y = 0;
  let id = 0;
  for (const { title, rows } of sections) {
    id += 1;
    board.withRow(new RowBuilder(title).id(id).gridPos({ x: 0, y, w: GRID, h: 1 }));
    y += 1;
    for (const { height, panels } of rows) {
      const edge = (index: number) => Math.floor((index * GRID) / panels.length);
      for (const [index, source] of panels.entries()) {
        id += 1;
        const gridPos = { x: edge(index), y, w: edge(index + 1) - edge(index), h: height };
        const panel = { ...source.build(), id, gridPos };
        board.withPanel({ build: () => panel });
      }
      y += height;
    }
  }
}

/** The dashboard as Grafana's classic JSON (v1). */
export function dashboard({
  uid,
  title,
  description,
  variables,
  links = [],
  sections,
  from = 'now-1h',
}: Board): Dashboard {
  const board = new DashboardBuilder(title)
    .uid(uid)
    .description(description)
    .tags([TAG])
    .timezone('browser')
    .tooltip(DashboardCursorSync.Crosshair)
    .readonly()
    .refresh('30s')
    .time({ from, to: 'now' })
    .timepicker(new TimePickerBuilder())
    .variables([...dataSources(), ...variables])
    .links([...links, siblings()]);
  place(board, sections);
  return board.build();
}
