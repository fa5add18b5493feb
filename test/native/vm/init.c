// SPDX-License-Identifier: Apache-2.0
/*
 * First process of the emulated machine. Shows Flowspan machines on which it cannot work, one after the other, then the
 * machine as it should be, to a user who has the capabilities in /capabilities and no other right; ends.
 */
#define _GNU_SOURCE
#include <grp.h>
#include <linux/capability.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CGROUPS "/sys/fs/cgroup"
#define OWN_CGROUP CGROUPS "/smoke"
/* Any but root's. */
#define USER 64321
#define CAPABILITIES_MAX 16

static unsigned int bits[CAPABILITIES_MAX];
static char names[CAPABILITIES_MAX][32];
static int capabilities;

static void check(const char *what, int error)
{
	if (error == 0)
		return;
	perror(what);
	exit(126);
}

static void read_capabilities(void)
{
	FILE *file = fopen("/capabilities", "r");

	check("/capabilities", file == NULL);
	while (capabilities < CAPABILITIES_MAX && fscanf(file, "%u %31s", &bits[capabilities], names[capabilities]) == 2)
		capabilities++;
	fclose(file);
}

/* Becomes the user, with all capabilities of the list but one; `without` may be none of them. */
static void drop_rights(const char *without)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct sets[2] = {};
	unsigned long long kept = 0;

	for (int i = 0; i < capabilities; i++)
		if (strcmp(names[i], without) != 0)
			kept |= 1ULL << bits[i];
	for (int bit = 0; prctl(PR_CAPBSET_READ, bit) >= 0; bit++)
		if (!(kept >> bit & 1))
			check("bounding set", prctl(PR_CAPBSET_DROP, bit));
	check("keep", prctl(PR_SET_KEEPCAPS, 1));
	check("user", setgroups(0, NULL) || setresgid(USER, USER, USER) || setresuid(USER, USER, USER));
	for (int half = 0; half < 2; half++)
		sets[half].effective = sets[half].permitted = sets[half].inheritable = kept >> half * 32;
	check("capset", (int)syscall(SYS_capset, &header, sets));
	for (int bit = 0; bit < 64; bit++)
		if (kept >> bit & 1)
			check("ambient", prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, bit, 0, 0));
	check("new privileges", prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
}

/* What is mounted from now on is seen by this process and its children alone. */
static void own_mounts(void)
{
	check("namespace", unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
}

static void hide_types(void)
{
	own_mounts();
	check("/sys/kernel/btf", mount("tmpfs", "/sys/kernel/btf", "tmpfs", 0, NULL));
}

static void replace_cgroup2(bool beside)
{
	own_mounts();
	check("cgroup", umount(CGROUPS) || mount("tmpfs", CGROUPS, "tmpfs", 0, NULL) || mkdir(CGROUPS "/old", 0755));
	check("cgroup v1", mount("cgroup", CGROUPS "/old", "cgroup", 0, "none,name=old"));
	if (beside)
		check("cgroup v2", mkdir(CGROUPS "/unified", 0755) ||
					   mount("cgroup2", CGROUPS "/unified", "cgroup2", 0, NULL));
}

static void join_own_cgroup(void)
{
	FILE *file = fopen(OWN_CGROUP "/cgroup.procs", "w");

	check(OWN_CGROUP, file == NULL || fputs("0", file) < 0 || fclose(file));
}

/* Starts a script of this folder on the machine that the word names. */
static void begin(const char *script, const char *machine)
{
	char path[64];
	char *const environment[] = { "PATH=/bin", "HOME=/tmp", NULL };
	char *const command[] = { "/bin/node", path, (char *)machine, NULL };

	if (fork() != 0)
		return;
	snprintf(path, sizeof(path), "/flowspan/test/native/vm/%s", script);
	if (strcmp(machine, "without types") == 0)
		hide_types();
	else if (strcmp(machine, "cgroup v1") == 0)
		replace_cgroup2(false);
	else if (strcmp(machine, "cgroup v1 and v2") == 0)
		replace_cgroup2(true);
	else if (strcmp(machine, "whole") == 0)
		join_own_cgroup();
	drop_rights(strncmp(machine, "without ", 8) == 0 ? machine + 8 : "");
	execve(command[0], command, environment);
	perror("node");
	_exit(127);
}

static void wait_for_all(void)
{
	while (wait(NULL) > 0)
		;
}

static void show_machines(void)
{
	static const char *const lacking[] = {
		"without types", "cgroup v1", "cgroup v1 and v2", "without CAP_PERFMON", "without CAP_SYS_PTRACE",
	};

	check("cgroup v2", mount("cgroup2", CGROUPS, "cgroup2", 0, NULL));
	check(OWN_CGROUP, mkdir(OWN_CGROUP, 0755) || chown(OWN_CGROUP, USER, USER));
	for (size_t i = 0; i < sizeof(lacking) / sizeof(lacking[0]); i++)
		begin("refusal.ts", lacking[i]);
	wait_for_all();
	begin("watch.ts", "whole");
	wait_for_all();
}

int main(void)
{
	struct ifreq loopback = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int descriptor = socket(AF_INET, SOCK_DGRAM, 0);

	if (mount("proc", "/proc", "proc", 0, NULL) || mount("sysfs", "/sys", "sysfs", 0, NULL) ||
	    mount("devtmpfs", "/dev", "devtmpfs", 0, NULL) || ioctl(descriptor, SIOCSIFFLAGS, &loopback))
		perror("init");
	close(descriptor);
	read_capabilities();
	/* A process that fails must not take the machine with it before it has spoken. */
	if (fork() == 0) {
		show_machines();
		exit(0);
	}
	wait_for_all();
	fflush(NULL);
	reboot(RB_POWER_OFF);
	return 0;
}
