/** The committed dashboards as files: rendered from what is committed, complete, and leading to each other. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { CLICKHOUSE, PROMETHEUS } from '../../dashboards/src/datasources.ts';
import { provisioningFiles } from '../../dashboards/src/provisioning.ts';
import { differences } from '../../dashboards/src/render.ts';
import { asking, board, DASHBOARDS, type Rendered, type RenderedPanel, rendered } from './support/rendered.ts';

/** Panels that show numbers on axes or in one figure: text, traces and logs have no unit. */
const WITH_UNIT = new Set(['timeseries', 'stat', 'heatmap', 'barchart', 'table']);

function overlap(a: RenderedPanel, b: RenderedPanel): boolean {
  const [p, q] = [a.gridPos, b.gridPos];
  return p.x < q.x + q.w && q.x < p.x + p.w && p.y < q.y + q.h && q.y < p.y + p.h;
}

/** Every URL to a dashboard that stands in one, wherever. */
function urls(one: Rendered): string[] {
  return [...JSON.stringify(one).matchAll(/"url":"(\/d\/(?:[^"\\]|\\.)+)"/g)].map(
    ([, url]) => JSON.parse(`"${url}"`) as string,
  );
}

const names = (one: Rendered) => one.templating.list.map(({ name }) => name);

describe('rendered dashboards', () => {
  it('are what dashboards/src says', () => {
    assert.deepEqual(differences(DASHBOARDS), [], 'run make dashboards');
  });

  it('have uids, titles and panel ids of their own', () => {
    const all = rendered();
    assert.equal(new Set(all.map(({ uid }) => uid)).size, all.length);
    assert.equal(new Set(all.map(({ title }) => title)).size, all.length);
    for (const { uid, panels } of all) {
      assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length, uid);
      const titles = panels.filter(({ type }) => type !== 'row').map(({ title }) => title);
      assert.equal(new Set(titles).size, titles.length, `${uid}: ${titles}`);
    }
  });

  it('place every panel inside of the grid and over no other', () => {
    for (const { uid, panels } of rendered()) {
      for (const [index, panel] of panels.entries()) {
        const { x, y, w, h } = panel.gridPos;
        assert.ok(x >= 0 && y >= 0 && w > 0 && h > 0 && x + w <= 24, `${uid}: ${panel.title}`);
        const other = panels.slice(index + 1).find((candidate) => overlap(panel, candidate));
        assert.equal(other, undefined, `${uid}: ${panel.title} lies over ${other?.title}`);
      }
    }
  });

  it('describe every panel, and give every number a unit', () => {
    for (const one of rendered()) {
      for (const { title, description = '', type, fieldConfig } of asking(one)) {
        assert.match(description, /^\p{Lu}.*\.$/su, `${one.uid}: ${title}`);
        if (WITH_UNIT.has(type)) assert.ok(fieldConfig?.defaults.unit, `${one.uid}: ${title} has no unit`);
      }
    }
  });

  it('ask the two data sources, by variables whose first choice is provisioned', () => {
    const sources = new Map([PROMETHEUS, CLICKHOUSE].map((source) => [source.type, source]));
    for (const one of rendered()) {
      for (const panel of asking(one)) {
        for (const { datasource, refId } of panel.targets ?? []) {
          const source = sources.get(datasource.type);
          assert.equal(datasource.uid, `\${${source?.variable}}`, `${one.uid}: ${panel.title} ${refId}`);
        }
        assert.ok((panel.targets ?? []).length > 0, `${one.uid}: ${panel.title} asks nothing`);
      }
      for (const { variable, uid } of sources.values()) {
        assert.equal(one.templating.list.find(({ name }) => name === variable)?.current?.value, uid);
      }
    }
    const files = provisioningFiles();
    const provisioned = parse(files.get('datasources/flowspan.yml') ?? '') as {
      datasources: {
        uid: string;
        type: string;
        jsonData: { exemplarTraceIdDestinations?: { url: string }[] };
      }[];
    };
    assert.deepEqual(
      provisioned.datasources.map(({ uid, type }) => [type, uid]),
      [...sources.values()].map(({ uid, type }) => [type, uid]),
    );
    const [destination] = provisioned.datasources[0]?.jsonData.exemplarTraceIdDestinations ?? [];
    // Grafana reads `$$` as a dollar sign: `$NAME` is of its environment
    const [, uid = '', name = ''] =
      /^\/d\/([\w-]+)\?var-(\w+)=\$\$\{__value\.raw\}&\$\$\{__url_time_range\}$/.exec(destination?.url ?? '') ?? [];
    assert.ok(names(board(uid)).includes(name), `exemplars lead to ${destination?.url}`);
  });

  it('use only variables that they have', () => {
    for (const one of rendered()) {
      const own = new Set(names(one));
      const texts = asking(one).flatMap(({ targets = [] }) => targets.map(({ expr, rawSql }) => expr ?? rawSql ?? ''));
      for (const text of texts) {
        // $re$ is ClickHouse's: it begins and ends a string
        for (const [, plain, braced] of text.replaceAll('$re$', '').matchAll(/\$(?:(\w+)|\{(\w+)[:}])/g)) {
          const name = plain ?? braced ?? '';
          assert.ok(name.startsWith('__') || own.has(name), `${one.uid}: $${name} in ${text.slice(0, 200)}`);
        }
      }
    }
  });

  it('lead to dashboards that exist, by variables that those have', () => {
    const seen = new Set<string>();
    for (const one of rendered()) {
      for (const url of urls(one)) {
        const [, uid = '', query = ''] = /^\/d\/([\w-]+)\?(.*)$/.exec(url) ?? [];
        const target = names(board(uid));
        for (const [, name = ''] of query.matchAll(/(?:^|&)var-(\w+)=/g)) {
          assert.ok(target.includes(name), `${one.uid}: ${url} sets ${name}`);
        }
        seen.add(`${one.uid} ${uid}`);
      }
    }
    for (const way of [
      'flowspan-overview flowspan-edge',
      'flowspan-overview flowspan-service-map',
      'flowspan-overview flowspan-health',
      'flowspan-service-map flowspan-edge',
      'flowspan-edge flowspan-request',
      'flowspan-request flowspan-edge',
      'flowspan-request flowspan-request',
    ]) {
      assert.ok(seen.has(way), `a link ${way.replace(' ', ' -> ')}`);
    }
  });

  it('take from each row what their links name', () => {
    for (const one of rendered()) {
      for (const panel of asking(one)) {
        for (const url of urls({ ...one, panels: [panel], links: [] })) {
          for (const [, field = ''] of url.matchAll(/__data\.fields\["(\w+)"\]/g)) {
            const text = (panel.targets ?? []).map(({ rawSql, expr }) => rawSql ?? expr ?? '').join('\n');
            assert.ok(text.includes(field), `${one.uid}: ${panel.title} has no field ${field} for ${url}`);
          }
        }
      }
    }
  });

  it('encode every name that a link takes from a row or a series', () => {
    for (const one of rendered()) {
      for (const url of urls(one)) {
        assert.doesNotMatch(url, /__(?:data\.fields|field\.labels)[^}]*(?<!:percentencode)\}/, one.uid);
      }
    }
  });

  it('lead from a node of the map to its server, in its namespace and cluster', () => {
    const [url = ''] = urls(board('flowspan-service-map')).filter((one) => one.startsWith('/d/flowspan-overview?var-'));
    const set = [...url.matchAll(/[?&]var-(\w+)=/g)].map(([, name]) => name);
    assert.deepEqual(set, ['cluster', 'destination_namespace', 'destination_workload'], url);
  });

  it('alerts lead to the edge page by variables that it has', () => {
    const edge = names(board('flowspan-edge'));
    const rules = parse(readFileSync(join(DASHBOARDS, 'rules/flowspan-alerts.yml'), 'utf8')) as {
      groups: { rules: { alert: string; annotations: { dashboard_url?: string } }[] }[];
    };
    for (const { alert, annotations } of rules.groups.flatMap((group) => group.rules)) {
      const [, uid = '', query = ''] = /\/d\/([\w-]+)(?:\?(.*))?$/.exec(annotations.dashboard_url ?? '') ?? [];
      assert.ok(
        rendered().some((one) => one.uid === uid),
        `${alert}: ${annotations.dashboard_url}`,
      );
      if (uid !== 'flowspan-edge') continue;
      for (const [, name = ''] of query.matchAll(/(?:^|&)var-(\w+)=/g)) assert.ok(edge.includes(name), alert);
    }
  });
});
