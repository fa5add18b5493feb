/**
 * Asks KubeConfig how to reach the API server and prints it as one line of JSON. A process of its own, because the
 * package takes some 80 MB of memory, which are given back at its end, and because an exec plugin that hangs can be ended.
 * Usage: credentials_main.ts JSON-OF-CREDENTIAL-OPTIONS
 */
import { readFileSync } from 'node:fs';
import type { RequestOptions } from 'node:https';
import { dirname, resolve } from 'node:path';
import { KubeConfig } from '@kubernetes/client-node';
import { parse } from 'yaml';
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
const proxy = cluster.proxyUrl;
if (proxy !== undefined && !/^https?:/.test(proxy))
  throw new Error(`proxy-url ${proxy}: only http and https are supported`);
const user = config.getCurrentUser();
if (user?.exec) {
  const { apiVersion, provideClusterInfo } = user.exec as { apiVersion?: string; provideClusterInfo?: boolean };
  const { server, caData, skipTLSVerify, tlsServerName } = cluster;
  const known = {
    server,
    'certificate-authority-data': caData,
    'insecure-skip-tls-verify': skipTLSVerify,
    'tls-server-name': tlsServerName,
    'proxy-url': proxy,
  };
  const spec = { interactive: false, ...(provideClusterInfo ? { cluster: known } : {}) };
  // Plugins inherit it, as they do from kubectl.
  process.env.KUBERNETES_EXEC_INFO = JSON.stringify({ apiVersion, kind: 'ExecCredential', spec });
}

/** KubeConfig does not read a user's `tokenFile`, which goes before its `token`. */
function tokenFileOf(path: string, name: string | undefined): string | undefined {
  const { users } = parse(readFileSync(path, 'utf8')) as {
    users?: { name?: unknown; user?: { tokenFile?: unknown } }[];
  };
  const file = users?.find((one) => one.name === name)?.user?.tokenFile;
  return typeof file === 'string' && file !== '' ? resolve(dirname(path), file) : undefined;
}

const options: RequestOptions & { headers: Record<string, string> } = { headers: {} };
await config.applyToHTTPSOptions(options);
const { headers, auth, ca, cert, key, passphrase, rejectUnauthorized, servername } = options;
if (typeof auth === 'string') headers.Authorization = `Basic ${Buffer.from(auth).toString('base64')}`;
const printed: PrintedCredentials = {
  server: cluster.server,
  headers,
  tokenFile: kubeconfig === undefined ? user?.authProvider?.config?.tokenFile : tokenFileOf(kubeconfig, user?.name),
  proxy,
  tls: { ca: text(ca), cert: text(cert), key: text(key), passphrase, rejectUnauthorized, servername },
};
process.stdout.write(JSON.stringify(printed));
