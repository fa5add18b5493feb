/** The keys of a throw-away cluster: an authority, certificates that it signs, and kubeconfig files that name them. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The keys of one cluster, as files in one folder. */
export interface Keys {
  readonly folder: string;
  /** Certificate of the authority, PEM. */
  readonly authority: string;
  /** The path of a file of the folder. */
  file(name: string): string;
  /** Makes `<name>.key` and `<name>.crt`; `subject` is openssl's, such as `/O=system:masters/CN=admin`. */
  sign(name: string, subject: string, extensions: readonly string[]): void;
  /** Writes a kubeconfig file that authenticates with the certificate of that name, and returns its path. */
  kubeconfig(name: string, server: string): string;
}

function openssl(folder: string, ...args: string[]): void {
  execFileSync('openssl', args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'], timeout: 60_000 });
}

/** Makes the authority, the key that signs ServiceAccount tokens (`tokens.key`), and the administrator's certificate. */
export function makeKeys(folder: string): Keys {
  mkdirSync(folder, { recursive: true });
  const file = (name: string): string => join(folder, name);
  const newKey = (name: string): void =>
    openssl(folder, 'ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', `${name}.key`);
  newKey('authority');
  openssl(
    folder,
    ...'req -x509 -new -key authority.key -subj /CN=flowspan-test -days 30 -out authority.crt'.split(' '),
    ...['-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=critical,keyCertSign,cRLSign'],
  );
  newKey('tokens');
  openssl(folder, 'ec', '-in', 'tokens.key', '-pubout', '-out', 'tokens.pub');
  const sign: Keys['sign'] = (name, subject, extensions) => {
    newKey(name);
    writeFileSync(file(`${name}.ext`), extensions.join('\n'));
    openssl(folder, 'req', '-new', '-key', `${name}.key`, '-subj', subject, '-out', `${name}.csr`);
    openssl(
      folder,
      ...`x509 -req -in ${name}.csr -CA authority.crt -CAkey authority.key -CAcreateserial -days 30`.split(' '),
      ...['-out', `${name}.crt`, '-extfile', `${name}.ext`],
    );
  };
  sign('admin', '/O=system:masters/CN=admin', ['extendedKeyUsage=clientAuth']);
  return {
    folder,
    authority: readFileSync(file('authority.crt'), 'utf8'),
    file,
    sign,
    kubeconfig: (name, server) => {
      const path = file(`${name}.kubeconfig`);
      const user = { 'client-certificate': file(`${name}.crt`), 'client-key': file(`${name}.key`) };
      writeKubeconfig(path, server, file('authority.crt'), user);
      return path;
    },
  };
}

/** Writes a kubeconfig file with one cluster and one user, in that user's own fields (JSON, which is YAML). */
export function writeKubeconfig(path: string, server: string, authorityFile: string, user: object): void {
  writeFileSync(
    path,
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'test',
      clusters: [{ name: 'test', cluster: { server, 'certificate-authority': authorityFile } }],
      users: [{ name: 'user', user }],
      contexts: [{ name: 'test', context: { cluster: 'test', user: 'user' } }],
    }),
  );
}
