/** Selectors select what a real kube-apiserver selects, and are refused where it refuses them. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { parseSelector, selectorHolds } from '../../query-api/src/filter/selector.ts';
import { type ControlPlane, startControlPlane } from '../support/kubernetes/control_plane.ts';
import { whyNoControlPlane } from '../support/kubernetes/find.ts';
import { LABELLED, REFUSED, SELECTORS } from './selectors.ts';

/** Kubernetes takes these keys and values for labels of objects. */
const OBJECTS = Object.entries(LABELLED);

describe('selectors as kube-apiserver reads them', { skip: whyNoControlPlane() ?? false }, () => {
  let plane: ControlPlane;
  const ask = (selector: string) =>
    plane.admin.ask('GET', `/api/v1/namespaces/default/configmaps?labelSelector=${encodeURIComponent(selector)}`);

  before(async () => {
    plane = await startControlPlane();
    for (const [name, labels] of OBJECTS) {
      await plane.admin.create({
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { namespace: 'default', name, labels },
      });
    }
  });
  after(() => plane?.stop());

  it('selects the same', async () => {
    for (const [text] of SELECTORS) {
      const { status, body } = await ask(text);
      assert.equal(status, 200, `${text}: ${JSON.stringify(body)}`);
      const { items } = body as { items: { metadata: { name: string } }[] };
      const own = OBJECTS.filter(([, labels]) => selectorHolds(parseSelector(text), labels)).map(([name]) => name);
      const theirs = items.map(({ metadata }) => metadata.name).filter((name) => name in LABELLED);
      assert.deepEqual(theirs.toSorted(), own.toSorted(), text);
    }
  });

  it('refuses the same', async () => {
    for (const text of REFUSED) {
      const { status } = await ask(text);
      assert.equal(status, 400, text);
      assert.throws(() => parseSelector(text), text);
    }
  });
});
