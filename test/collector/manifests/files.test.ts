/** What a directory may hold: each case is a directory, and what becomes of every file and object in it. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { readDirectory } from '../../../collector/src/control/manifests/directory.ts';
import { FILE_BYTES, FILES, TOTAL_BYTES } from '../../../collector/src/control/manifests/limits.ts';
import { checkManifests } from '../../../collector/src/control/manifests/main.ts';
import { objectsOf } from '../../../collector/src/control/manifests/objects.ts';
import { directoryOf } from './support/directory.ts';

const NAMESPACE = 'apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n';
const pod = (rest: string, name = 'web') =>
  `apiVersion: v1\nkind: Pod\nmetadata: {name: ${name}, namespace: shop}\n${rest}`;
const service = (spec: string) => `apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: ${spec}\n`;
const slice = (rest: string) =>
  `apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: web-1, labels: {kubernetes.io/service-name: web}}\n${rest}\n`;

/** `file: Kind namespace/name Reason` of each condition, in their order. */
async function judged(files: Readonly<Record<string, string | Buffer>>): Promise<string[]> {
  const conditions = await checkManifests(directoryOf(files));
  return conditions.map(({ file, kind, namespace, name, reason }) =>
    kind === 'File' ? `${name}: ${reason}` : `${file}: ${kind} ${namespace}/${name} ${reason}`,
  );
}

/** Why the only object or file is refused. */
async function refusalOf(text: string | Buffer, name = 'a.yaml'): Promise<string> {
  const [condition, ...more] = await checkManifests(directoryOf({ [name]: text }));
  assert.deepEqual([condition?.accepted, more], [false, []]);
  return `${condition?.reason}: ${condition?.message}`;
}

describe('a directory is read', () => {
  it('with every document of every file, and Lists of both kinds', async () => {
    const items = [
      { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a', namespace: 'shop' } },
      { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n.example' } },
    ];
    assert.deepEqual(
      await judged({
        'a.yaml': `# first\n---\n${NAMESPACE}---\n${pod('')}---\n`,
        'b.yml': service('{clusterIP: None}'),
        'c.json': JSON.stringify({ apiVersion: 'v1', kind: 'List', items }),
        'd.json': JSON.stringify({
          ...{ apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSliceList' },
          items: [{ metadata: { name: 's' }, addressType: 'IPv6', endpoints: [{ addresses: ['fd00::1'] }] }],
        }),
      }),
      [
        ...['a.yaml: Namespace /shop Accepted', 'a.yaml: Pod shop/web Accepted', 'b.yml: Service default/web Accepted'],
        ...['c.json: Pod shop/a Accepted', 'c.json: Node /n.example Accepted'],
        'd.json: EndpointSlice default/s Accepted',
      ],
    );
  });

  it('without what is hidden, a backup, of another kind of file, or a directory below', async () => {
    const path = directoryOf({ '.a.yaml.swp': 'x', '.b.yaml': '[', 'c.yaml~': '[', 'd.txt': '[', 'e.YAML': '[' });
    mkdirSync(join(path, 'f'));
    writeFileSync(join(path, 'f', 'g.yaml'), '[');
    assert.deepEqual(await checkManifests(path), []);
  });

  it('as kubectl reads it: YAML 1.1 without times and sexagesimal numbers', async () => {
    const text = `${NAMESPACE}spec: {yes: yes, off: off, octal: 010, time: 2020-01-01, minutes: 1:20, anchor: &a {b: 1}, merged: {<<: *a}}`;
    const { files } = await readDirectory(directoryOf({ 'a.yaml': text }), new Map());
    const [{ object } = { object: undefined }] = files[0]?.objects ?? [];
    assert.deepEqual((object as { spec: unknown }).spec, {
      ...{ true: true, false: false, octal: 8, time: '2020-01-01', minutes: '1:20' },
      ...{ anchor: { b: 1 }, merged: { b: 1 } },
    });
  });

  it('with a UID for what has none: the same at any time, another for any other object', () => {
    const uid = (kind: string, name: string, namespace?: string, own?: string) => {
      const metadata = { name, ...(namespace && { namespace }), ...(own && { uid: own }) };
      const [{ object } = { object: undefined }] = objectsOf([{ apiVersion: 'v1', kind, metadata }]);
      return (object as { metadata: { uid: string } }).metadata.uid;
    };
    assert.match(uid('Pod', 'a'), /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    assert.equal(uid('Pod', 'a'), uid('Pod', 'a', 'default'));
    const all = [
      uid('Pod', 'a'),
      uid('Pod', 'b'),
      uid('Pod', 'a', 'shop'),
      uid('Service', 'a'),
      uid('Pod', 'a', 'x', 'u-1'),
    ];
    assert.equal(new Set(all).size, 5);
    assert.equal(all[4], 'u-1');
  });

  it('not where there is none, or too many files', async () => {
    const [missing] = await checkManifests('/nonexistent/manifests');
    assert.deepEqual([missing?.kind, missing?.reason], ['Directory', 'Unreadable']);
    const [file] = await checkManifests(join(directoryOf({ a: '' }), 'a'));
    assert.match(file?.message ?? '', /ENOTDIR/);
    const many = directoryOf(Object.fromEntries(Array.from({ length: FILES + 1 }, (_, at) => [`${at}.yaml`, ''])));
    assert.equal((await checkManifests(many))[0]?.reason, 'TooManyFiles');
  });

  it('not beyond its bounds, all together', async () => {
    const large = Buffer.alloc(FILE_BYTES, '#\n');
    const count = TOTAL_BYTES / FILE_BYTES + 1;
    const path = directoryOf(Object.fromEntries(Array.from({ length: count }, (_, at) => [`${at}.yaml`, large])));
    assert.equal((await checkManifests(path))[0]?.reason, 'TooLarge');
  });
});

describe('a file is refused whole', () => {
  const cases: readonly [why: string, text: string | Buffer, refusal: RegExp, name?: string][] = [
    ['no YAML', 'a: [', /^InvalidYaml: .*line 1, column 5\)/],
    ['one key twice', 'a: 1\na: 2', /^InvalidYaml: .*unique/],
    ['a type that is not known', 'a: !secret b', /^InvalidYaml: .*!secret/],
    ['a type that JSON does not have', 'a: !!binary aGk=', /^InvalidYaml/],
    ['a key that is a list', '? [a]\n: b', /^InvalidYaml: a key is a list or mapping/],
    ['no JSON', '{"a": 1,}', /^InvalidJson/, 'a.json'],
    ['two values of JSON', '{}{}', /^InvalidJson/, 'a.json'],
    ['nothing at all', '', /^EmptyFile/],
    ['no text', Buffer.from([0x61, 0x3a, 0xff, 0xfe]), /^InvalidText/],
    ['half a character', '{"a":"\\ud800"}', /^InvalidText/, 'a.json'],
    ['no number', 'a: .inf', /^InvalidNumber/],
    ['too large', Buffer.alloc(FILE_BYTES + 1, 'a'), /^TooLarge: .*split it/],
    ['brackets in brackets', '['.repeat(100_000), /^TooDeep/],
    ['lists in lists', '- '.repeat(50_000), /^TooDeep/],
    ['mappings in mappings', Array.from({ length: 500 }, (_, at) => `${' '.repeat(at)}a:`).join('\n'), /^TooDeep/],
    ['deep JSON', '['.repeat(100_000) + ']'.repeat(100_000), /^TooDeep/, 'a.json'],
    ['too many words', `a: [${'b,'.repeat(400_000)}]`, /^TooLarge: .*JSON/],
    ['an alias in itself', 'a: &a [*a]', /^(InvalidYaml|TooDeep)/],
    ['laughter', bomb(), /^InvalidYaml: .*alias/],
    ['laughter that is not so loud', bomb(4, 40), /^TooLarge|^InvalidYaml/],
    ['text alone', 'hello', /^NoObject: it is no mapping/],
    ['a list', '- a', /^NoObject/],
    ['no kind', 'apiVersion: v1\nmetadata: {name: a}', /^NoKind/],
    ['no version', 'kind: Pod\nmetadata: {name: a}', /^NoApiVersion: it, a Pod,/],
    [
      'no name',
      `${NAMESPACE}---\napiVersion: v1\nkind: Pod\nmetadata: {generateName: a-}`,
      /^NoName: document 2, a Pod,/,
    ],
    ['a name that is none', 'apiVersion: v1\nkind: Pod\nmetadata: {name: Web}', /^NoName/],
    ['a name that is a number', 'apiVersion: v1\nkind: Pod\nmetadata: {name: 1}', /^NoName/],
    ['metadata that are none', 'apiVersion: v1\nkind: Pod\nmetadata: [a]', /^NoName/],
    ['a namespace that is none', 'apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: a/b}', /^InvalidNamespace/],
    ['a List of nothing', 'apiVersion: v1\nkind: List', /^InvalidList/],
    ['a List with text in it', 'apiVersion: v1\nkind: List\nitems: [a]', /^NoObject: item 1 of it/],
    ['a List in a List', 'apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: List, items: []}]', /^NoName/],
  ];
  for (const [why, text, wanted, name] of cases) {
    it(why, async () => assert.match(await refusalOf(text, name), wanted));
  }

  it('that is no file, is not to be read, or leads nowhere', async () => {
    const path = directoryOf({ 'a.yaml': NAMESPACE });
    mkdirSync(join(path, 'b.yaml'));
    execFileSync('mkfifo', [join(path, 'c.yaml')]);
    symlinkSync('nowhere', join(path, 'd.yaml'));
    symlinkSync('e.yaml', join(path, 'e.yaml'));
    const conditions = await checkManifests(path);
    assert.deepEqual(
      conditions.map(({ name, reason }) => `${name} ${reason}`),
      ['b.yaml NoFile', 'c.yaml NoFile', 'd.yaml Unreadable', 'e.yaml Unreadable', 'shop Accepted'],
    );
  });

  it('does not say what is in it', async () => {
    assert.doesNotMatch(await refusalOf('kind: Secret\nstringData: {password: hunter2\n'), /hunter2/);
  });
});

/** A billion laughs: so many lists, of so many times the one before. */
function bomb(lists = 9, times = 9): string {
  const lines = Array.from({ length: lists }, (_, at) => {
    const before = at === 0 ? 'lol' : `*a${at - 1}`;
    return `a${at}: &a${at} [${Array.from({ length: times }, () => before).join()}]`;
  });
  return lines.join('\n');
}

describe('an object is refused, and nothing else of its file', () => {
  const cases: readonly [why: string, text: string, refusal: string][] = [
    [
      'of a policy that says more than is understood',
      'apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: a}\nspec: {podSelector: {}, order: 1}',
      'UnknownField: spec: it has a field "order" that is not known here: without it the object might mean something else; remove it, or use one of podSelector, policyTypes, ingress, egress',
    ],
    [
      'of a kind that is not known',
      'apiVersion: v1\nkind: Secret\nmetadata: {name: a}',
      'UnsupportedKind: nothing is taken from v1 Secret: what is read is Pod, Service, EndpointSlice, Node, Namespace, NetworkPolicy, ClusterNetworkPolicy, CiliumNetworkPolicy, CiliumClusterwideNetworkPolicy',
    ],
    [
      'of a group that is another',
      'apiVersion: crd.projectcalico.org/v1\nkind: NetworkPolicy\nmetadata: {name: a}',
      'UnsupportedKind: nothing is taken from crd.projectcalico.org/v1 NetworkPolicy: what is read is Pod, Service, EndpointSlice, Node, Namespace, NetworkPolicy, ClusterNetworkPolicy, CiliumNetworkPolicy, CiliumClusterwideNetworkPolicy',
    ],
    [
      'of another version',
      'apiVersion: discovery.k8s.io/v1beta1\nkind: EndpointSlice\nmetadata: {name: a}',
      'UnsupportedVersion: discovery.k8s.io/v1beta1 is not read: write it as discovery.k8s.io/v1',
    ],
    [
      'of a node in a namespace',
      'apiVersion: v1\nkind: Node\nmetadata: {name: a, namespace: b}',
      'InvalidNamespace: a Node is in no namespace: leave metadata.namespace out',
    ],
    [
      'with a UID that is none',
      'apiVersion: v1\nkind: Node\nmetadata: {name: a, uid: 7}',
      'InvalidUid: metadata.uid is no text: leave it out, or write what the node calls it',
    ],
    ['pod: address', pod('status: {podIP: 10.0.0.256}'), 'InvalidField: status.podIP is no IP address'],
    [
      'pod: addresses',
      pod('status: {podIPs: [{ip: 10.0.0.1}, {}]}'),
      "InvalidField: status.podIPs.1 must have required property 'ip'",
    ],
    [
      'pod: too many addresses',
      pod('status: {podIPs: [{ip: "::1"}, {ip: "::2"}, {ip: "::3"}, {ip: "::4"}, {ip: "::5"}]}'),
      'InvalidField: status.podIPs must NOT have more than 4 items',
    ],
    ['pod: network', pod('spec: {hostNetwork: "true"}'), 'InvalidField: spec.hostNetwork must be boolean'],
    [
      'pod: phase',
      pod('status: {phase: Done}'),
      'InvalidField: status.phase must be equal to one of the allowed values: Pending, Running, Succeeded, Failed, Unknown',
    ],
    ['pod: time', pod('status: {startTime: yesterday}'), 'InvalidField: status.startTime is no time'],
    ['pod: labels', pod('').replace('}', ', labels: {app: [a]}}'), 'InvalidField: metadata.labels.app must be string'],
    [
      'pod: container',
      pod('spec: {containers: [{image: a}]}'),
      "InvalidField: spec.containers.0 must have required property 'name'",
    ],
    [
      'service: nothing',
      'apiVersion: v1\nkind: Service\nmetadata: {name: web}',
      "InvalidField: it must have required property 'spec'",
    ],
    ['service: address', service('{clusterIP: ten}'), 'InvalidField: spec.clusterIP is neither an IP address nor None'],
    ['service: port', service('{ports: [{port: 0}]}'), 'InvalidField: spec.ports.0.port must be >= 1'],
    ['service: port of text', service('{ports: [{port: http}]}'), 'InvalidField: spec.ports.0.port must be integer'],
    [
      'service: protocol',
      service('{ports: [{port: 1, protocol: tcp}]}'),
      'InvalidField: spec.ports.0.protocol must be equal to one of the allowed values: TCP, UDP, SCTP',
    ],
    ['slice: kind of address', slice('endpoints: []'), "InvalidField: it must have required property 'addressType'"],
    [
      'slice: another kind of address',
      slice('addressType: IPv4\nendpoints: [{addresses: [10.0.0.1]}, {addresses: ["fd00::1"]}]'),
      'InvalidField: endpoints: "fd00::1" is no IPv4 address',
    ],
    [
      'node: addresses',
      'apiVersion: v1\nkind: Node\nmetadata: {name: n1}\nstatus: {addresses: [{address: a}]}',
      "InvalidField: status.addresses.0 must have required property 'type'",
    ],
  ];
  for (const [why, text, wanted] of cases) {
    it(why, async () => {
      const conditions = await checkManifests(directoryOf({ 'a.yaml': `${text}\n---\n${NAMESPACE}` }));
      assert.deepEqual(
        conditions.map(({ accepted, reason, message }) => [accepted, `${reason}: ${message}`]),
        [
          [false, wanted],
          [true, 'Accepted: '],
        ],
      );
    });
  }

  it('that is there twice: all but the first', async () => {
    assert.deepEqual(await judged({ 'b.yaml': `${NAMESPACE}---\n${NAMESPACE}`, 'c.yaml': NAMESPACE }), [
      ...['b.yaml: Namespace /shop Duplicate', 'c.yaml: Namespace /shop Duplicate', 'b.yaml: Namespace /shop Accepted'],
    ]);
  });

  it('not for a key without a value, which is as if it were not there', async () => {
    assert.deepEqual(await judged({ 'a.yaml': pod('spec:\nstatus: {podIP: , phase: ~}') }), [
      'a.yaml: Pod shop/web Accepted',
    ]);
  });
});
