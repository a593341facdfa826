/* SPDX-License-Identifier: MIT
 * The run options: one table for `fcvm run`, `fcvm-plan options` and `fcvm-plan make`. */
#include "cleanup.h"
#include "json.h"
#include "name.h"
#include "netmode.h"
#include "num.h"
#include "plan.h"
#include "status.h"

#include <ctype.h>
#include <string.h>
#include <unistd.h>

#define O(member) offsetof(struct plan_opts, member)
#define GiB       ((uint64_t)1 << 30)

static const struct opt run_table[] = {
        {0, NULL, NULL, "Process", OPT_HEAD, 0, false},
        {'e', "env", "NAME[=VALUE]",
                "set a variable; without a value, the caller's; NAME* for all such", OPT_LIST,
                O(env), false},
        {0, "env-file", "FILE", "read variables from a file", OPT_LIST, O(env_file), false},
        {0, "entrypoint", "WORD|JSON", "replace the image's entrypoint; '' for none", OPT_STR,
                O(entrypoint), false},
        {'u', "user", "USER[:GROUP]", "run as this user, by name or number", OPT_STR, O(user),
                false},
        {'w', "workdir", "DIR", "working directory in the container", OPT_STR, O(workdir), false},
        {'i', "interactive", NULL, "pass the caller's stdin to the container", OPT_FLAG,
                O(interactive), false},
        {'t', "tty", NULL, "give the container a terminal", OPT_FLAG, O(tty), false},
        {0, "init", NULL, "run a small init as PID 1 of the container", OPT_FLAG, O(init), false},
        {0, "stop-signal", "SIGNAL", "what asks the container to stop (SIGTERM)", OPT_STR,
                O(stop_signal), false},
        {0, "stop-timeout", "SECONDS", "time it gets for that, before SIGKILL (10)", OPT_U64,
                O(stop_timeout), false},

        {'d', "detach", NULL, "leave it running, and print its name", OPT_FLAG, O(detach), false},
        {0, "wait", "WHEN", "with --detach, until it is running or healthy (running)", OPT_STR,
                O(wait), false},
        {0, "detach-keys", "KEYS", "what leaves it running (ctrl-p,ctrl-q)", OPT_STR,
                O(detach_keys), false},
        {0, "restart", "POLICY", "no, always or on-failure[:TIMES] (no)", OPT_STR, O(restart),
                false},
        {0, "log-driver", "NAME", "k8s-file, or none (k8s-file)", OPT_STR, O(log_driver), false},
        {0, "log-opt", "max-size=SIZE", "how much of the log is kept (16m)", OPT_LIST, O(log_opt),
                false},

        {0, NULL, NULL, "Health", OPT_HEAD, 0, false},
        {0, "health-cmd", "COMMAND", "what tells whether it is well, by its status; none for none",
                OPT_STR, O(health_cmd), false},
        {0, "health-check", "URL", "the same by an HTTP GET from inside the VM", OPT_STR,
                O(health_url), false},
        {0, "health-interval", "TIME", "between probes (30s)", OPT_STR, O(health_interval), false},
        {0, "health-timeout", "TIME", "a probe may take (30s)", OPT_STR, O(health_timeout), false},
        {0, "health-retries", "N", "failures in a row until it is unhealthy (3)", OPT_U64,
                O(health_retries), false},
        {0, "health-start-period", "TIME", "in which failures do not count (0s)", OPT_STR,
                O(health_start_period), false},
        {0, "no-healthcheck", NULL, "no probe, whatever the image says", OPT_FLAG,
                O(no_healthcheck), false},

        {0, NULL, NULL, "Identity", OPT_HEAD, 0, false},
        {0, "name", "NAME", "name of the VM (an unused adjective_noun)", OPT_STR, O(name), false},
        {0, "replace", NULL, "stop a VM of that name first", OPT_FLAG, O(replace), false},
        {0, "cidfile", "FILE", "write the VM's name to a new file", OPT_STR, O(cidfile), false},
        {'h', "hostname", "NAME", "host name in the container (the VM's name)", OPT_STR,
                O(hostname), false},
        {'l', "label", "NAME[=VALUE]", "add a label", OPT_LIST, O(label), false},
        {0, "annotation", "NAME=VALUE", "add an annotation", OPT_LIST, O(annotation), false},
        {0, "rm", NULL, "keep neither log nor exit status when it has ended", OPT_FLAG, O(rm),
                false},

        {0, NULL, NULL, "Rights", OPT_HEAD, 0, false},
        {0, "privileged", NULL, "all capabilities and devices of the VM, nothing masked", OPT_FLAG,
                O(privileged), false},
        {0, "cap-add", "CAP", "add a capability, or ALL", OPT_LIST, O(cap_add), false},
        {0, "cap-drop", "CAP", "drop a capability, or ALL", OPT_LIST, O(cap_drop), false},
        {0, "ulimit", "NAME=SOFT[:HARD]", "set a resource limit; -1 for none", OPT_LIST, O(ulimit),
                false},

        {0, NULL, NULL, "Files", OPT_HEAD, 0, false},
        {0, "read-only", NULL, "make the root file system read-only", OPT_FLAG, O(read_only),
                false},
        {0, "tmpfs", "DIR[:OPTIONS]", "mount a tmpfs", OPT_LIST, O(tmpfs), false},
        {'v', "volume", "[SOURCE:]DIR[:OPTIONS]",
                "a directory or file of the host, or a named volume", OPT_LIST, O(volume), false},
        {0, "map", "SOURCE:DIR[:OPTIONS]", "the same as --volume", OPT_LIST, O(volume), true},
        {0, "mount", "type=TYPE,...", "the same in words: bind, volume or tmpfs", OPT_LIST,
                O(mount), false},
        {0, "image-volume", "HOW", "anonymous, tmpfs or ignore what the image declares (anonymous)",
                OPT_STR, O(image_volume), false},

        {0, NULL, NULL, "Network", OPT_HEAD, 0, false},
        {0, "network", "MODE", "rootless, bridged, routed or none (rootless)", OPT_STR, O(network),
                false},
        {0, "net", "MODE", "the same as --network", OPT_STR, O(network), true},
        {0, "net-name", "NAME", "a network of VMs that know each other by name", OPT_STR,
                O(net_name), false},
        {0, "network-alias", "NAME", "one more name in it", OPT_LIST, O(network_alias), false},
        {0, "ip", "ADDRESS", "the VM's own address outside (one that is free)", OPT_STR, O(ip),
                false},
        {0, "ip6", "ADDRESS", "the same for IPv6", OPT_STR, O(ip6), false},
        {'p', "publish", "[[IP:]PORT:]PORT[/udp]", "publish a port, or a range", OPT_LIST,
                O(publish), false},
        {'P', "publish-all", NULL, "publish all that the image exposes, on free ports", OPT_FLAG,
                O(publish_all), false},
        {0, "expose", "PORT[/udp]", "a port for --publish-all", OPT_LIST, O(expose), false},
        {0, "dns", "ADDRESS", "a name server (the host's)", OPT_LIST, O(dns), false},
        {0, "dns-search", "DOMAIN", "where to look up short names (the host's)", OPT_LIST,
                O(dns_search), false},
        {0, "dns-option", "OPTION", "an option of the container's resolv.conf", OPT_LIST,
                O(dns_option), false},
        {0, "add-host", "NAME:ADDRESS", "a line of the container's /etc/hosts", OPT_LIST,
                O(add_host), false},
        {0, "mtu", "BYTES", "largest packet (what the network takes)", OPT_U64, O(mtu), false},

        {0, NULL, NULL, "Machine", OPT_HEAD, 0, false},
        {0, "cpus", "N", "CPUs, also in parts: 1.5 (2, or 1 where the host has 1)", OPT_MILLI,
                O(cpu_milli), false},
        {0, "cpu", "N", "the same as --cpus", OPT_MILLI, O(cpu_milli), true},
        {'m', "memory", "SIZE", "memory (1g)", OPT_SIZE, O(memory), false},
        {0, "mem", "SIZE", "the same as --memory", OPT_SIZE, O(memory), true},
        {0, "rootfs-size", "SIZE", "room for the container's own files (10g)", OPT_SIZE,
                O(rootfs_size), false},
        {0, "hypervisor", "NAME", "qemu, firecracker or auto (auto)", OPT_STR, O(hypervisor),
                false},
        {0, "jailer", NULL, "Firecracker in its jailer's jail (root only)", OPT_FLAG, O(jailer),
                false},
        {0, "accel", "NAME", "kvm, tcg or auto: what setup found to work (auto)", OPT_STR, O(accel),
                false},
        {0, "no-snapshot", NULL, "boot the machine instead of restoring a prepared one", OPT_FLAG,
                O(no_snapshot), false},
        {0, "warm", NULL, "go on from the started, healthy container of an equal run", OPT_FLAG,
                O(warm), false},
        {0, "strace-agent", NULL, "trace the guest agent on the VM's console", OPT_FLAG,
                O(strace_agent), false},
        {0, "setup", NULL, "run 'fcvm setup' first if it has not been run", OPT_FLAG, O(setup),
                false},

        {0, NULL, NULL, "Image", OPT_HEAD, 0, false},
        {0, "pull", "WHEN", "missing, always, never or newer (missing)", OPT_STR, O(pull), false},
        {0, "platform", "OS/ARCH", "which of an image's platforms", OPT_STR, O(platform), false},
        {0, "authfile", "FILE", "registry credentials", OPT_STR, O(authfile), false},
        {0, "tls-verify", NULL, "=false: accept a registry without valid TLS", OPT_FLAG,
                O(tls_verify), false},
        OPT_END,
};

static const struct opt config_row = {
        0, "config", "FILE", "the image config", OPT_STR, O(config), false};

#define RUN_ROWS (sizeof run_table / sizeof *run_table)

static uint64_t default_cpu_milli(void)
{
	return sysconf(_SC_NPROCESSORS_ONLN) > 1 ? 2000 : 1000;
}

static int one_of(const char *option, const char *value, const char *const *known, struct err *e)
{
	const char *hit;

	for (size_t i = 0; known[i]; i++)
		if (!strcmp(known[i], value))
			return 0;
	hit = opt_closest(value, known);
	if (hit)
		return err_set(e, FCVM_EX_USAGE, "%s %s: did you mean %s?", option, value, hit);
	return err_set(e, FCVM_EX_USAGE, "%s %s: not one that is known: see 'fcvm run --help'",
	        option, value);
}

static int check_words(const struct plan_opts *o, struct err *e)
{
	static const char *const pulls[] = {"missing", "always", "never", "newer", NULL};
	static const char *const accels[] = {"auto", "kvm", "tcg", NULL};
	static const char *const vmms[] = {"auto", "qemu", "firecracker", NULL};
	static const char *const image_volumes[] = {"anonymous", "bind", "tmpfs", "ignore", NULL};
	static const char *const waits[] = {"running", "started", "healthy", NULL};

	if (o->pull && one_of("--pull", o->pull, pulls, e) < 0)
		return -1;
	if (o->accel && one_of("--accel", o->accel, accels, e) < 0)
		return -1;
	if (o->hypervisor && one_of("--hypervisor", o->hypervisor, vmms, e) < 0)
		return -1;
	if (o->jailer && geteuid() != 0)
		return err_set(e, FCVM_EX_USAGE, "--jailer: only root can use it");
	if (o->wait && one_of("--wait", o->wait, waits, e) < 0)
		return -1;
	if (o->network && !netmode(o->network, e))
		return -1;
	if (o->image_volume && one_of("--image-volume", o->image_volume, image_volumes, e) < 0)
		return -1;
	if (o->warm && o->no_snapshot)
		return err_set(e, FCVM_EX_USAGE, "--warm and --no-snapshot exclude each other");
	if (o->wait && !o->detach)
		return err_set(e, FCVM_EX_USAGE, "--wait goes with --detach");
	if (o->replace && !(o->name && *o->name))
		return err_set(e, FCVM_EX_USAGE, "--replace goes with --name");
	if (o->name && *o->name && !name_valid(o->name))
		return err_set(e, FCVM_EX_USAGE, "--name %s: %s", o->name, NAME_RULE);
	if (o->hostname && *o->hostname && !name_valid_hostname(o->hostname))
		return err_set(
		        e, FCVM_EX_USAGE, "--hostname %s: %s", o->hostname, NAME_HOSTNAME_RULE);
	if (o->workdir && *o->workdir && *o->workdir != '/')
		return err_set(
		        e, FCVM_EX_USAGE, "--workdir %s: must be an absolute path", o->workdir);
	if (o->stop_signal && num_signal(o->stop_signal) < 0)
		return err_set(
		        e, FCVM_EX_USAGE, "--stop-signal %s: no such signal", o->stop_signal);
	if (o->stop_timeout > UINT32_MAX)
		return err_set(e, FCVM_EX_USAGE, "--stop-timeout: at most %u seconds", UINT32_MAX);
	return 0;
}

static int check_size(const char *option, uint64_t v, uint64_t min, uint64_t max, struct err *e)
{
	const char *hint = "";
	auto_free char *meant = NULL;

	if (v > 0 && v < (1 << 20)) {
		meant = xasprintf(" (a bare number means bytes, as in podman: did you mean %jum?)",
		        (uintmax_t)v);
		hint = meant;
	}
	if (v < min)
		return err_set(e, FCVM_EX_USAGE, "%s %ju: at least %jum is needed%s", option,
		        (uintmax_t)v, (uintmax_t)(min >> 20), hint);
	if (v > max)
		return err_set(e, FCVM_EX_USAGE, "%s %ju: more than %jut is not possible", option,
		        (uintmax_t)v, (uintmax_t)(max >> 40));
	return 0;
}

static int check_machine(const struct plan_opts *o, struct err *e)
{
	if (o->cpu_milli < 10)
		return err_set(e, FCVM_EX_USAGE, "--cpus: at least 0.01 is needed");
	if (o->cpu_milli > (uint64_t)PLAN_CPUS_MAX * 1000)
		return err_set(
		        e, FCVM_EX_USAGE, "--cpus: more than %d are not possible", PLAN_CPUS_MAX);
	if (check_size("--memory", o->memory, PLAN_MEMORY_MIN, PLAN_MEMORY_MAX, e) < 0)
		return -1;
	return check_size("--rootfs-size", o->rootfs_size, PLAN_ROOTFS_MIN, PLAN_ROOTFS_MAX, e);
}

/* Values passed on to other tools as words: none may look like an option there. */
static int check_passed_on(const struct plan_opts *o, struct err *e)
{
	for (size_t i = 0; i < o->volume.n; i++)
		if (!*o->volume.v[i] || *o->volume.v[i] == '-')
			return err_set(e, FCVM_EX_USAGE,
			        "--volume '%s': not [SOURCE:]DIR[:OPTIONS]", o->volume.v[i]);
	for (size_t i = 0; i < o->publish.n; i++)
		if (!isalnum((unsigned char)*o->publish.v[i]) && *o->publish.v[i] != '[')
			return err_set(e, FCVM_EX_USAGE,
			        "--publish '%s': not [[IP:]PORT:]PORT[/PROTOCOL]", o->publish.v[i]);
	if (o->mtu && (o->mtu < 1280 || o->mtu > 65520))
		return err_set(e, FCVM_EX_USAGE, "--mtu: from 1280 to 65520");
	if (!*o->image || *o->image == '-')
		return err_set(e, FCVM_EX_USAGE, "'%s' is not an image name", o->image);
	return 0;
}

/* Whether a plan, which is JSON, can hold the words of the line. */
static int check_text(const struct plan_opts *o, struct err *e)
{
	const char *const words[] = {o->image, o->user, o->workdir, o->entrypoint};
	static const char *const names[] = {
	        "the image name", "--user", "--workdir", "--entrypoint"};

	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		auto_json json_t *v = plan_string(words[i] ? words[i] : "", names[i], e);

		if (!v)
			return -1;
	}
	for (int i = 0; i < o->n_command; i++) {
		auto_json json_t *v = plan_string(o->command[i], "the command", e);

		if (!v)
			return -1;
	}
	return 0;
}

/* Everything that make would refuse whatever the image: a mistake must not wait for the pull. */
static int check(const struct plan_opts *o, struct err *e)
{
	static const struct plan_image none = {0};
	json_t *parts[7] = {NULL};
	int r = -1;

	if (check_text(o, e) < 0 || plan_env_check(o, environ, e) < 0)
		return -1;

	if (check_words(o, e) < 0 || check_machine(o, e) < 0 || check_passed_on(o, e) < 0)
		return -1;
	if ((parts[0] = plan_caps(o, o->user, e)) && (parts[1] = plan_rlimits(o, e)) &&
	        (parts[2] = plan_mounts(o, &none, e)) && (parts[3] = plan_labels(o, &none, e)) &&
	        (parts[4] = plan_annotations(o, e)) && (parts[5] = plan_life(o, &none, e)) &&
	        (parts[6] = plan_network(o, &none, e)))
		r = 0;
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		json_decref(parts[i]);
	return r;
}

int plan_options_parse(bool make, int argc, char **argv, struct plan_opts *o, struct err *e)
{
	struct opt table[RUN_ROWS + 1];
	struct opt_spec spec = {
	        .usage = "fcvm run [options] IMAGE [--] [COMMAND...]",
	        .summary =
	                "Runs a container in its own microVM. The exit status is the container's.",
	        .table = table,
	};
	int i;

	*o = (struct plan_opts){.stop_timeout = 10, .rootfs_size = 10 * GiB, .tls_verify = true};
	if (make) {
		table[0] = config_row;
		spec.usage =
		        "fcvm-plan make --config FILE --name NAME [run options] IMAGE [COMMAND...]";
		spec.summary = "Prints the plan of a run as JSON.";
	}
	memcpy(table + make, run_table, sizeof run_table);
	i = opt_parse(&spec, argc, argv, o, e);
	if (i < 0)
		return -1;
	/* 0 is no limit for podman; a machine has some size. */
	if (o->cpu_milli == 0)
		o->cpu_milli = default_cpu_milli();
	if (o->memory == 0)
		o->memory = GiB;
	if (i >= argc)
		return opt_usage(&spec, e, "no image given");
	o->image = argv[i++];
	if (i < argc && !strcmp(argv[i], "--"))
		i++;
	o->command = argv + i;
	o->n_command = argc - i;
	return plan_mount_words(o, e) < 0 ? -1 : check(o, e);
}

void plan_opts_free(struct plan_opts *o)
{
	struct strv *lists[] = {&o->env, &o->env_file, &o->cap_add, &o->cap_drop, &o->tmpfs,
	        &o->ulimit, &o->label, &o->annotation, &o->publish, &o->volume, &o->mount,
	        &o->log_opt, &o->expose, &o->dns, &o->dns_search, &o->dns_option, &o->add_host,
	        &o->network_alias};

	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
		strv_free(lists[i]);
}
