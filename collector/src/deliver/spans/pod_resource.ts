/** What a pod says of itself as a Resource: its annotations, and where that is wanted its well-known labels. */
import type { Identity } from '../../control/identity.ts';

/** What is known of a pod from elsewhere, and better: no annotation speaks of it. */
const NOT_FOR_ANNOTATIONS = /^(k8s|host|container|process|telemetry)\./;

/** Attributes that well-known labels stand for, in the order in which they are looked at. */
const WELL_KNOWN: Readonly<Record<string, readonly string[]>> = {
  'service.name': ['app.kubernetes.io/instance', 'app.kubernetes.io/name'],
  'service.version': ['app.kubernetes.io/version'],
};

/**
 * Resource attributes that annotations `resource.opentelemetry.io/…` name; column `resource_attributes` of endpoints.
 * @param labels whether labels app.kubernetes.io/{instance,name,version} count where no annotation does; OpenTelemetry
 *   asks that they do only by choice, because all parts of a release may share them
 */
export function saidOfItself({ pod, labels: own }: Identity, labels: boolean): Record<string, string> {
  const said: Record<string, string> = {};
  if (pod === undefined) return said;
  for (const [name, wanted] of labels ? Object.entries(WELL_KNOWN) : []) {
    const label = wanted.find((one) => Object.hasOwn(own, one) && own[one] !== '');
    if (label !== undefined) said[name] = own[label]!;
  }
  for (const [name, value] of Object.entries(pod.resourceAttributes ?? {})) {
    if (value !== '' && name !== '__proto__' && !NOT_FOR_ANNOTATIONS.test(name)) said[name] = value;
  }
  return said;
}

/** Name of a pod's container; empty if that is not known or if it has several. */
export function containerName({ pod }: Identity): string {
  const names = new Set(pod?.containers.values() ?? []);
  const [name = ''] = names;
  return names.size === 1 ? name : '';
}

/** Version that an image's reference names: `<tag>@<digest>`, or what there is of them. */
export function imageVersion(image: string): string {
  const last = image.slice(image.lastIndexOf('/') + 1);
  const tag = /^[^:@]+:([^@]+)/.exec(last)?.[1];
  const digest = /@(.+)$/.exec(last)?.[1];
  return [tag, digest].filter((part) => part !== undefined).join('@');
}
