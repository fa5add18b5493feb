#!/bin/sh
# containerd's OCI runtime: runc (RUNC is its path). CGROUP_LIMITS=none is for a node whose cgroup2 hierarchy has no
# controllers, being held by cgroup v1 on this machine: no resource limits; cgroups, names and namespaces are as with them.
# CGROUP_NAMES=systemd: cgroups are named as by kubelet and containerd with systemd's driver, which needs systemd to run.
bundle= command= previous=
for word in "$@"; do
  case $word in
    create | update) command=$word ;;
    --bundle=*) bundle=${word#*=} ;;
  esac
  [ "$previous" != --bundle ] || bundle=$word
  previous=$word
done
case $command in
  update) [ "$CGROUP_LIMITS" != none ] || exit 0 ;;
  create)
    names=. limits=.
    [ "$CGROUP_LIMITS" != none ] || limits='.linux.resources |= {devices}'
    [ "$CGROUP_NAMES" != systemd ] || names='.linux.cgroupsPath |= (
      capture("^(?<above>.*)/kubepods(/(?<class>[a-z]+))?/pod(?<uid>[^/]+)/(?<id>[^/]+)$")
      | (if .class then "kubepods-" + .class else "kubepods" end) as $slice
      | .above + "/kubepods.slice" + (if .class then "/" + $slice + ".slice" else "" end)
        + "/" + $slice + "-pod" + (.uid | gsub("-"; "_")) + ".slice/cri-containerd-" + .id + ".scope")'
    jq -c "$limits | $names" "$bundle/config.json" >"$bundle/config.json.new"
    mv "$bundle/config.json.new" "$bundle/config.json"
    ;;
esac
exec "$RUNC" "$@"
