/** Keys of where Kubernetes is asked. */
import { group, text, whole } from './config_fields.ts';
import { oneOf } from './config_schema.ts';

/** `kubernetes` */
export const KUBERNETES = group(
  {
    enabled: oneOf(['auto', 'on', 'off'], {
      default: 'auto',
      description: 'Whether pods are named by the API server; auto: in a pod that may ask it, or with a kubeconfig.',
    }),
    kubeconfig: text('', {
      description: "kubeconfig file that says how the API server is reached; empty: the pod's own service account.",
    }),
    context: text('', { description: 'Context of the kubeconfig; empty: its current one.' }),
    node_name: text('', { description: 'Name of this node at the API server; empty: that of `node`.' }),
    watch_silence_s: whole(150, 1, 3600, {
      unit: 's',
      description:
        'Longest silence of the API server before its connection is given up and made anew; it says something each minute.',
    }),
  },
  'Names of pods, workloads and services from the Kubernetes API server.',
);
