/** Where the programs of a real Kubernetes are: in the folder KUBEBUILDER_ASSETS names, else in fixtures/. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const FIXTURES = fileURLToPath(new URL('../../../fixtures', import.meta.url));

/** Debian's etcd (package etcd-server): too old for streaming lists, which the API server over it then refuses. */
export const DEBIAN_ETCD = '/usr/bin/etcd';

/** A program of the control plane or of kwok; undefined where it is in neither folder. */
export function findProgram(name: string): string | undefined {
  const assets = process.env.KUBEBUILDER_ASSETS;
  return [...(assets === undefined ? [] : [assets]), join(FIXTURES, 'bin')]
    .map((folder) => join(folder, name))
    .find((path) => existsSync(path));
}

/** The path of a program that whyNoControlPlane() has found. Throws if it is not there. */
export function program(name: string): string {
  const path = findProgram(name);
  if (path === undefined) throw new Error(`${name} is not there: run make fixtures, or set KUBEBUILDER_ASSETS`);
  return path;
}

/** What kwok does with nodes and pods, as its makers ship it. */
export const KWOK_STAGES = join(FIXTURES, 'kwok/stages.yaml');

/** A file or folder that test/fixtures/kubernetes-node.sh leaves. */
export function nodeFixture(path: string): string {
  return join(FIXTURES, 'kubernetes-node', path);
}

function missing(names: readonly string[]): string | undefined {
  const name = names.find((each) => findProgram(each) === undefined);
  return name === undefined ? undefined : `no ${name}: run make fixtures, or set KUBEBUILDER_ASSETS`;
}

/** Why no control plane can be started here; undefined if it can. For a test's `skip`. Root is not needed. */
export function whyNoControlPlane(): string | undefined {
  return missing(['kube-apiserver', 'kube-controller-manager', 'etcd']);
}

/** Why no nodes and pods can be simulated here; undefined if they can. For a test's `skip`. */
export function whyNoKwok(): string | undefined {
  if (!existsSync(KWOK_STAGES)) return 'no kwok/stages.yaml: run make fixtures';
  return missing(['kwok']) ?? whyNoControlPlane();
}

/** Why no cluster with real nodes can be started here; undefined if it can. For a test's `skip`. */
export function whyNoCluster(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root';
  for (const file of ['cni/bridge', 'debian/usr/bin/containerd', 'images/toolbox.tar']) {
    if (!existsSync(nodeFixture(file))) return `no ${file}: run make fixtures`;
  }
  return missing(['kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'etcd', 'kubelet', 'kube-proxy']);
}
