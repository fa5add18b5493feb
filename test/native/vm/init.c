// SPDX-License-Identifier: Apache-2.0
/* First process of the emulated machine: mounts what Flowspan looks at, brings loopback up, runs the test, ends. */
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
	struct ifreq loopback = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	char *const environment[] = { "PATH=/bin", "HOME=/tmp", NULL };
	char *const command[] = { "/bin/node", "/flowspan/test/native/vm/watch.ts", NULL };
	int descriptor = socket(AF_INET, SOCK_DGRAM, 0);

	if (mount("proc", "/proc", "proc", 0, NULL) || mount("sysfs", "/sys", "sysfs", 0, NULL) ||
	    mount("devtmpfs", "/dev", "devtmpfs", 0, NULL) ||
	    mount("cgroup2", "/sys/fs/cgroup", "cgroup2", 0, NULL) || ioctl(descriptor, SIOCSIFFLAGS, &loopback))
		perror("init");
	close(descriptor);
	if (fork() == 0) {
		execve(command[0], command, environment);
		perror("node");
		_exit(127);
	}
	while (wait(NULL) > 0)
		;
	fflush(NULL);
	reboot(RB_POWER_OFF);
	return 0;
}
