/* SPDX-License-Identifier: MIT
 * From a run command line and an OCI image config to the plan of fcvm-plan(5). Nothing here prints
 * or exits. Strings in struct plan_opts point into the argument vector; its lists are its own and
 * end with plan_opts_free(). */
#ifndef FCVM_PLAN_H
#define FCVM_PLAN_H

#include "err.h"
#include "opt.h"
#include "strv.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Arguments and environment together: what execve(2) in the guest takes with its default stack
 * limit, with room to spare; and the longest single string, MAX_ARG_STRLEN less its NUL. */
#define PLAN_WORDS_MAX  ((size_t)1 << 20)
#define PLAN_WORD_MAX   ((size_t)131071)
#define PLAN_MEMORY_MIN ((uint64_t)96 << 20) /* with less, the guest's kernel may not boot */
#define PLAN_MEMORY_MAX ((uint64_t)16 << 40)
#define PLAN_ROOTFS_MIN ((uint64_t)16 << 20)
#define PLAN_ROOTFS_MAX ((uint64_t)16 << 40)
#define PLAN_CPUS_MAX   128

struct plan_opts {
	const char *name, *user, *workdir, *entrypoint, *hostname, *stop_signal, *pull, *platform;
	const char *hypervisor, *accel, *authfile, *network, *config;
	const char *image_volume;
	const char *restart, *log_driver, *wait, *detach_keys, *cidfile;
	const char *net_name, *ip, *ip6;
	const char *health_cmd, *health_url, *health_interval, *health_timeout,
	        *health_start_period;
	uint64_t stop_timeout, cpu_milli, memory, rootfs_size, health_retries, mtu;
	bool detach, replace, no_healthcheck, publish_all;
	bool privileged, read_only, init, rm, interactive, tty, no_snapshot, warm, strace_agent,
	        setup;
	bool tls_verify, jailer;
	struct strv env, env_file, cap_add, cap_drop, tmpfs, ulimit, label, annotation, publish,
	        volume, mount, log_opt, expose, dns, dns_search, dns_option, add_host,
	        network_alias;
	const char *image;
	char **command; /* into argv */
	int n_command;
};

/* Parses the words after the verb (argv[0] is not looked at). The result is checked as far as it
 * can be without the image: every malformed value is found here. `make` also knows --config.
 * 0, or -1 with e filled, as opt_parse() does. */
int plan_options_parse(bool make, int argc, char **argv, struct plan_opts *o, struct err *e);
void plan_opts_free(struct plan_opts *o);

/* The driver's view of the options: shell assignments that eval takes back unharmed. The caller
 * frees. */
char *plan_options_shell(const struct plan_opts *o);

/* The plan for the image config (untrusted), name and the caller's environment. A new reference,
 * or NULL with e filled: status FCVM_EX_DATA for the image's faults, FCVM_EX_USAGE for the user's.
 */
json_t *plan_make(const struct plan_opts *o, const json_t *config, const char *name,
        char **caller_env, struct err *e);

/* What the image says, checked: types, sizes, no NULs. All borrowed from the config; absent and
 * null members are NULL. Lists hold strings only. */
struct plan_image {
	const json_t *env, *entrypoint, *cmd, *volumes, *labels, *healthcheck, *ports;
	const char *user, *workdir, *stop_signal;
};
int plan_image_read(const json_t *config, struct plan_image *im, struct err *e);

/* {"bounding": […], …} for process.capabilities. Root is told from others by name, as podman does
 * it: "", "root" or "0". */
json_t *plan_caps(const struct plan_opts *o, const char *user, struct err *e);

/* ["K=V", …]: defaults, image, --env-file, --env; the last value of a name wins. */
json_t *plan_env(const struct plan_opts *o, const struct plan_image *im, const char *hostname,
        char **caller_env, struct err *e);
/* Whether --env-file and --env can be used, as far as it can be told without reading what can be
 * read only once. 0, or -1 with e filled. */
int plan_env_check(const struct plan_opts *o, char **caller_env, struct err *e);
json_t *plan_rlimits(const struct plan_opts *o, struct err *e);
json_t *plan_mounts(const struct plan_opts *o, const struct plan_image *im, struct err *e);
/* Where the image wants volumes and the line has nothing: anonymous ones are to be there. */
json_t *plan_volumes(const struct plan_opts *o, const struct plan_image *im, struct err *e);
/* Turns --mount into --volume and --tmpfs. */
int plan_mount_words(struct plan_opts *o, struct err *e);
json_t *plan_labels(const struct plan_opts *o, const struct plan_image *im, struct err *e);
/* {"restart": …, "log": …, "health": … or null} */
json_t *plan_life(const struct plan_opts *o, const struct plan_image *im, struct err *e);
/* {"hosts": [{"name", "ip"}…], "search": […], "options": […], "expose": ["80/tcp"…]} */
json_t *plan_network(const struct plan_opts *o, const struct plan_image *im, struct err *e);
/* PORT[-END][/tcp|/udp] */
bool plan_is_port(const char *s);
json_t *plan_annotations(const struct plan_opts *o, struct err *e);

/* Calls fn for each part of a comma-separated value. */
int plan_each_part(const char *list, int (*fn)(const char *part, void *ctx, struct err *e),
        void *ctx, struct err *e);

/* A JSON string, or NULL with e filled where `what` is not UTF-8 and so cannot be in a plan. */
json_t *plan_string(const char *s, const char *what, struct err *e);

#endif
