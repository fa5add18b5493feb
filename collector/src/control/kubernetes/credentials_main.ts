/**
 * Asks KubeConfig how to reach the API server and prints it as one line of JSON. A process of its own, because the
 * package takes some 80 MB of memory, which are given back at its end, and because an exec plugin that hangs can be ended.
 * Usage: credentials_main.ts JSON-OF-CREDENTIAL-OPTIONS
 */
import type { RequestOptions } from 'node:https';
import { KubeConfig } from '@kubernetes/client-node';
import type { CredentialOptions, PrintedCredentials } from './credentials.ts';

const text = (value: unknown): string | undefined =>
  typeof value === 'string' ? value : Buffer.isBuffer(value) ? value.toString() : undefined;

const { kubeconfig, context, root } = JSON.parse(process.argv[2] ?? '{}') as CredentialOptions;
const config = new KubeConfig();
if (kubeconfig === undefined) config.loadFromCluster(root);
else config.loadFromFile(kubeconfig);
if (context !== undefined) config.setCurrentContext(context);
const cluster = config.getCurrentCluster();
if (cluster === null) throw new Error(`there is no context '${config.getCurrentContext()}' with a cluster`);
if (cluster.proxyUrl) throw new Error('proxy-url is not supported: make the API server reachable without it');

const options: RequestOptions & { headers: Record<string, string> } = { headers: {} };
await config.applyToHTTPSOptions(options);
const { headers, auth, ca, cert, key, passphrase, rejectUnauthorized, servername } = options;
if (typeof auth === 'string') headers.Authorization = `Basic ${Buffer.from(auth).toString('base64')}`;
const printed: PrintedCredentials = {
  server: cluster.server,
  headers,
  tokenFile: config.getCurrentUser()?.authProvider?.config?.tokenFile,
  tls: { ca: text(ca), cert: text(cert), key: text(key), passphrase, rejectUnauthorized, servername },
};
process.stdout.write(JSON.stringify(printed));
