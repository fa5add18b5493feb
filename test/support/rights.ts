/** Starting programs with chosen rights and no other, as systemd and container engines do. */

/** Who runs, with what. */
export interface Rights {
  /** User and group; 0 keeps root's number, without what goes with it. */
  readonly user: number;
  /** Capabilities as the kernel names them: CAP_BPF. */
  readonly capabilities: readonly string[];
}

const listOf = (capabilities: readonly string[]): string =>
  ['-all', ...capabilities.map((name) => `+${name.replace('CAP_', '').toLowerCase()}`)].join(',');

/** What to put before a command: setpriv(1), nothing is gained later by any file's rights. */
export function withRights({ user, capabilities }: Rights): string[] {
  const list = listOf(capabilities);
  // Root is given what is in the bounding set; another user has capabilities only as ambient ones.
  const own =
    user === 0
      ? ['--inh-caps=-all']
      : [`--reuid=${user}`, `--regid=${user}`, '--clear-groups', `--inh-caps=${list}`, `--ambient-caps=${list}`];
  return ['setpriv', ...own, `--bounding-set=${list}`, '--no-new-privs'];
}

/** Makes everything read-only but the folders $0, as ProtectSystem=strict and a read-only root do, and runs the command. */
const READ_ONLY = `
  for folder in $0; do mount --bind "$folder" "$folder"; done
  awk '{ print $2 }' /proc/self/mounts | while read -r path; do
    case " $0 " in *" $path "*) ;; *) mount -o remount,bind,ro "$path" 2>/dev/null ;; esac
  done
  exec "$@"`;

/** What to put before a command: nothing can be written but below `folders`, whose names have no spaces. */
export function withOnlyWritable(...folders: readonly string[]): string[] {
  return ['unshare', '--mount', 'sh', '-c', READ_ONLY, folders.join(' ')];
}
