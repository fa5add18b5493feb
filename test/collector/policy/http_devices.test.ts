/** Which devices judge requests: those of pods that have rules for them, before the rules count, once each. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { compile } from '../../../collector/src/control/policy/compile.ts';
import { HttpDevices, type PodDevices, podsWithRequests } from '../../../collector/src/control/policy/http_devices.ts';
import { model, PODS } from './support/world.ts';

const tablesOf = (rules: string) => {
  const yaml =
    'apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: p, namespace: x}\n' +
    `spec: {endpointSelector: {matchLabels: {pod: a}}, ingress: [{toPorts: [{ports: [{port: "80", protocol: TCP}]${rules}}]}]}`;
  const { tables } = compile(model(yaml), { node: 'node-a', nodes: [], pods: [...PODS.values()] });
  assert.ok(tables !== undefined);
  return tables;
};
const WITH = tablesOf(', rules: {http: [{path: /a}]}');
const WITHOUT = tablesOf('');

it('those whose ingress has rules for requests', () => {
  assert.deepEqual(podsWithRequests(WITH), ['x/a']);
  assert.deepEqual(podsWithRequests(WITHOUT), []);
});

it('both programs at every device of a pod, once, and no more than told when one fails', () => {
  const attached: string[] = [];
  const failed: unknown[] = [];
  const kernel = {
    attachDevice: (program: string, { netns, ifindex }: { netns: string | undefined; ifindex: number }) => {
      if (ifindex === 3) throw new Error('no device');
      attached.push(`${program} ${netns} ${ifindex}`);
    },
  };
  const pods: PodDevices[] = [
    { objectUid: 'x/b', netns: { path: '/proc/2/ns/net', inode: 2n }, devices: [{ ifindex: 2 }] },
    { objectUid: 'x/a', netns: undefined, devices: [] },
  ];
  const devices = new HttpDevices(pods, kernel, { error: (fields: unknown) => failed.push(fields) });
  devices.follow(WITHOUT);
  devices.follow(WITH);
  assert.deepEqual(attached, []);
  pods[1] = {
    objectUid: 'x/a',
    netns: { path: '/proc/1/ns/net', inode: 1n },
    devices: [{ ifindex: 2 }, { ifindex: 3 }],
  };
  devices.update();
  devices.update();
  devices.follow(WITHOUT);
  assert.deepEqual(attached, ['policy_http_ingress /proc/1/ns/net 2', 'http_response_egress /proc/1/ns/net 2']);
  assert.equal(failed.length, 2);
});
