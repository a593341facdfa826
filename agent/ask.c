/* SPDX-License-Identifier: MIT
 * What the host may ask about the container: its use of the machine, its processes, and to be held.
 * Numbers are those of the kernel's Documentation/admin-guide/cgroup-v2.rst and proc(5). */
#include "agent.h"
#include "cleanup.h"
#include "json.h"
#include "meminfo.h"
#include "strv.h"
#include "xio.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PROCESSES_MAX 4000
#define COMMAND_MAX   ((size_t)512) /* bytes shown: the whole answer must fit in a message */

/* The number in a file of the container's cgroup, or after `key` in it; 0 where there is none. */
static json_int_t number(const char *file, const char *key)
{
	auto_free char *path = xasprintf(STAGE_CGROUP "/%s", file);
	auto_free char *text = NULL;
	size_t n = key ? strlen(key) : 0;
	char *line, *save = NULL;

	if (read_file_at(AT_FDCWD, path, 65536, &text, NULL) < 0)
		return 0;
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (!key || (!strncmp(line, key, n) && line[n] == ' '))
			return (json_int_t)strtoull(line + n, NULL, 10);
	return 0;
}

/* rbytes and wbytes of all devices. */
static void block_bytes(json_int_t *in, json_int_t *out)
{
	auto_free char *text = NULL;
	unsigned long long r, w;
	char *line, *save = NULL;

	*in = *out = 0;
	if (read_file_at(AT_FDCWD, STAGE_CGROUP "/io.stat", 65536, &text, NULL) < 0)
		return;
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (sscanf(line, "%*s rbytes=%llu wbytes=%llu", &r, &w) == 2) {
			*in += (json_int_t)r;
			*out += (json_int_t)w;
		}
}

static void net_bytes(json_int_t *in, json_int_t *out)
{
	auto_free char *text = NULL;
	unsigned long long rx, tx;
	char *line, *save = NULL, name[32];

	*in = *out = 0;
	if (read_file_at(AT_FDCWD, "/proc/net/dev", 65536, &text, NULL) < 0)
		return;
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (sscanf(line, " %31[^:]: %llu %*u %*u %*u %*u %*u %*u %*u %llu", name, &rx,
		            &tx) == 3 &&
		        strcmp(name, "lo") != 0) {
			*in += (json_int_t)rx;
			*out += (json_int_t)tx;
		}
}

static json_t *stats(void)
{
	json_int_t block_in, block_out, net_in, net_out, limit = number("memory.max", NULL);
	struct timespec ts;

	block_bytes(&block_in, &block_out);
	net_bytes(&net_in, &net_out);
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "time",
	        (json_int_t)ts.tv_sec * 1000000000 + ts.tv_nsec, "cpuUsec",
	        number("cpu.stat", "usage_usec"), "memory", number("memory.current", NULL),
	        "memoryLimit", limit, "pids", number("pids.current", NULL), "blockIn", block_in,
	        "blockOut", block_out, "netIn", net_in, "netOut", net_out, "memoryAvailable",
	        (json_int_t)meminfo_available());
}

/* The beginning of the command line with blanks between the words: its length, or -errno. */
static ssize_t read_command(const char *pid, char out[COMMAND_MAX + 1])
{
	auto_free char *path = xasprintf("/proc/%s/cmdline", pid);
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -errno : read_full(fd, out, COMMAND_MAX);

	if (n < 0)
		return n;
	while (n > 0 && !out[n - 1])
		n--;
	for (ssize_t i = 0; i < n; i++)
		if (!out[i])
			out[i] = ' ';
	/* What was cut may have been in the middle of a character. */
	while (n >= (ssize_t)COMMAND_MAX - 4 && n > 0 && (out[n - 1] & 0x80))
		n--;
	out[n] = 0;
	return n;
}

/* One process of the container, from /proc/PID/stat, status and cmdline; NULL if it is none any
 * more. */
static json_t *process(const char *pid)
{
	auto_free char *path = xasprintf("/proc/%s/stat", pid);
	auto_free char *status_path = xasprintf("/proc/%s/status", pid);
	auto_free char *stat = NULL, *status = NULL;
	char cmdline[COMMAND_MAX + 1];
	unsigned long long utime, stime, start;
	char state, *p, *uid, *ns;
	int ppid, tty;
	ssize_t n;
	json_t *command;

	if (read_file_at(AT_FDCWD, path, 4096, &stat, NULL) < 0 ||
	        read_file_at(AT_FDCWD, status_path, 65536, &status, NULL) < 0 ||
	        (n = read_command(pid, cmdline)) < 0)
		return NULL;
	p = strrchr(stat, ')');
	if (!p || sscanf(p + 1,
	                  " %c %d %*d %*d %d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d "
	                  "%*d %*d %llu",
	                  &state, &ppid, &tty, &utime, &stime, &start) != 6)
		return NULL;
	*p = 0;
	if (n == 0 && (p = strchr(stat, '(')))
		command = json_sprintf("[%s]", p + 1);
	else
		command = json_string(cmdline);
	uid = strstr(status, "\nUid:");
	ns = strstr(status, "\nNSpid:");
	p = ns ? strchr(ns + 1, '\n') : NULL;
	if (p)
		*p = 0;
	ns = ns ? strrchr(ns, '\t') : NULL;
	return json_pack("{s:i, s:i, s:I, s:s#, s:i, s:I, s:I, s:o}", "pid", ns ? atoi(ns) : 0,
	        "outerPpid", ppid, "uid", (json_int_t)(uid ? strtoul(uid + 5, NULL, 10) : 0),
	        "state", &state, 1, "tty", tty, "cpuTicks", (json_int_t)(utime + stime),
	        "startTicks", (json_int_t)start, "command",
	        command ? command : json_string("(not UTF-8)"));
}

static json_t *processes(void)
{
	auto_free char *text = NULL;
	json_t *list = json_array(), *by_outer = json_object(), *one;
	char *pid, *save = NULL;
	struct timespec ts;
	size_t i;

	if (read_file_at(AT_FDCWD, STAGE_CGROUP "/cgroup.procs", 1 << 20, &text, NULL) < 0)
		text = xstrdup("");
	for (pid = strtok_r(text, "\n", &save); pid && json_array_size(list) < PROCESSES_MAX;
	        pid = strtok_r(NULL, "\n", &save)) {
		one = process(pid);
		if (!one)
			continue;
		json_object_set(by_outer, pid, json_object_get(one, "pid"));
		json_array_append_new(list, one);
	}
	/* A parent's number as the container knows it; 0 for one outside of it. */
	json_array_foreach(list, i, one)
	{
		auto_free char *outer =
		        xasprintf("%d", (int)json_integer_value(json_object_get(one, "outerPpid")));
		json_t *inner = json_object_get(by_outer, outer);

		json_object_del(one, "outerPpid");
		json_object_set_new(one, "ppid", inner ? json_incref(inner) : json_integer(0));
	}
	json_decref(by_outer);
	clock_gettime(CLOCK_BOOTTIME, &ts);
	return json_pack("{s:o, s:I, s:I}", "processes", list, "ticksPerSecond",
	        (json_int_t)sysconf(_SC_CLK_TCK), "uptimeTicks",
	        (json_int_t)ts.tv_sec * sysconf(_SC_CLK_TCK) +
	                (json_int_t)ts.tv_nsec * sysconf(_SC_CLK_TCK) / 1000000000);
}

json_t *agent_answer(struct agent *a, const json_t *question)
{
	const char *what = json_string_value(json_object_get(question, "what"));
	json_int_t id = json_integer_value(json_object_get(question, "id"));

	if (what && !strcmp(what, "STATS"))
		return stats();
	if (what && !strcmp(what, "TOP"))
		return processes();
	if (what && !strcmp(what, "PAUSE"))
		return agent_pause(a, id);
	if (what && !strcmp(what, "UNPAUSE"))
		return agent_unpause(a);
	return json_pack("{s:s}", "error", "the guest agent does not know that question");
}
