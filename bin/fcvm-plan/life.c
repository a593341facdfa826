/* SPDX-License-Identifier: MIT
 * How the container lives: its health probe, whether it is restarted, what is kept of its output.
 */
#include "cleanup.h"
#include "json.h"
#include "num.h"
#include "plan.h"
#include "status.h"

#include <string.h>

#define DAY_MS       ((uint64_t)24 * 60 * 60 * 1000)
#define LOG_SIZE_MIN ((uint64_t)64 << 10)
#define LOG_SIZE_MAX ((uint64_t)1 << 40)
#define RETRIES_MAX  10000

/* --restart: the policy and, after on-failure, how often. */
static json_t *restart_part(const struct plan_opts *o, struct err *e)
{
	const char *s = o->restart && *o->restart ? o->restart : "no";
	uint64_t max = 0;

	if (!strcmp(s, "no") || !strcmp(s, "never"))
		return json_pack("{s:s, s:i}", "policy", "no", "max", 0);
	if (o->rm) {
		err_set(e, FCVM_EX_USAGE, "--rm and --restart %s exclude each other", s);
		return NULL;
	}
	if (!strcmp(s, "always") || !strcmp(s, "unless-stopped"))
		return json_pack("{s:s, s:i}", "policy", "always", "max", 0);
	if (!strncmp(s, "on-failure", 10) &&
	        (!s[10] || (s[10] == ':' && num_u64(s + 11, 0, RETRIES_MAX, &max) == 0)))
		return json_pack("{s:s, s:I}", "policy", "on-failure", "max", (json_int_t)max);
	err_set(e, FCVM_EX_USAGE, "--restart %s: no, always, unless-stopped or on-failure[:TIMES]",
	        s);
	return NULL;
}

static json_t *log_part(const struct plan_opts *o, struct err *e)
{
	static const char *const files[] = {"k8s-file", "json-file", "file", NULL};
	const char *driver = o->log_driver && *o->log_driver ? o->log_driver : "k8s-file";
	uint64_t size = 0;
	bool file = false;

	for (size_t i = 0; files[i]; i++)
		file |= !strcmp(driver, files[i]);
	if (!file && strcmp(driver, "none") != 0) {
		err_set(e, FCVM_EX_USAGE, "--log-driver %s: k8s-file or none", driver);
		return NULL;
	}
	for (size_t i = 0; i < o->log_opt.n; i++) {
		const char *v = o->log_opt.v[i];

		if (strncmp(v, "max-size=", 9) != 0 ||
		        num_size(v + 9, LOG_SIZE_MIN, LOG_SIZE_MAX, &size) < 0) {
			err_set(e, FCVM_EX_USAGE, "--log-opt %s: max-size=SIZE, at least 64k", v);
			return NULL;
		}
	}
	return json_pack(
	        "{s:s, s:I}", "driver", file ? "k8s-file" : "none", "maxSize", (json_int_t)size);
}

static json_t *exec_probe(json_t *args, bool in_vm)
{
	return json_pack("{s:s, s:o, s:[], s:b, s:b, s:b, s:b}", "type", "EXEC", "args", args,
	        "env", "interactive", 0, "tty", 0, "vm", (int)in_vm, "tool", (int)in_vm);
}

static json_t *shell_probe(const char *command)
{
	return exec_probe(json_pack("[s, s, s]", "/bin/sh", "-c", command), false);
}

/* HEALTHCHECK's form: ["CMD", word…], ["CMD-SHELL", text], ["NONE"] or []. JSON null for no probe.
 */
static json_t *image_probe(const json_t *test)
{
	const char *kind = json_string_value(json_array_get(test, 0));
	const char *text = json_string_value(json_array_get(test, 1));
	json_t *args;

	if (!kind || !strcmp(kind, "NONE") || json_array_size(test) < 2)
		return json_null();
	if (!strcmp(kind, "CMD-SHELL"))
		return shell_probe(text);
	args = json_copy((json_t *)test);
	if (!strcmp(kind, "CMD"))
		json_array_remove(args, 0);
	return exec_probe(args, false);
}

/* --health-cmd: "none", a JSON list of words, or a line for the shell. */
static json_t *given_probe(const char *s, struct err *e)
{
	auto_json json_t *list = *s == '[' ? json_loads(s, JSON_REJECT_DUPLICATES, NULL) : NULL;
	const char *kind = json_string_value(json_array_get(list, 0));
	json_t *v;

	if (!strcmp(s, "none"))
		return json_null();
	if (kind && (!strcmp(kind, "CMD") || !strcmp(kind, "CMD-SHELL") || !strcmp(kind, "NONE")))
		return image_probe(list);
	if (kind)
		return exec_probe(json_incref(list), false);
	v = plan_string(s, "--health-cmd", e);
	json_decref(v);
	return v ? shell_probe(s) : NULL;
}

/* A GET from inside the guest. */
static json_t *url_probe(const char *url, struct err *e)
{
	json_t *v = plan_string(url, "--health-check", e);

	json_decref(v);
	if (!v)
		return NULL;
	if (strncmp(url, "http://", 7) != 0 || !url[7] || strpbrk(url, " \t\r\n")) {
		err_set(e, FCVM_EX_USAGE,
		        "--health-check %s: not a URL of the form http://HOST[:PORT]/PATH", url);
		return NULL;
	}
	return exec_probe(json_pack("[s, s, s, s, s]", "wget", "-q", "-O", "/dev/null", url), true);
}

/* A duration of the options, or of the image (nanoseconds there), or the usual one. */
static int duration(const char *option, const char *given, const json_t *image, uint64_t otherwise,
        uint64_t *ms, struct err *e)
{
	json_int_t ns = json_integer_value(image);

	*ms = ns > 0 ? (uint64_t)ns / 1000000 : otherwise;
	if (given && num_duration(given, 0, DAY_MS, ms) < 0)
		return err_set(e, FCVM_EX_USAGE, "--%s %s: a time such as 30s, 1m30s or 500ms",
		        option, given);
	return 0;
}

static json_t *find_probe(const struct plan_opts *o, const json_t *image, struct err *e)
{
	if (o->health_url && o->health_cmd) {
		err_set(e, FCVM_EX_USAGE, "--health-cmd and --health-check exclude each other");
		return NULL;
	}
	if (o->no_healthcheck)
		return json_null();
	if (o->health_url)
		return url_probe(o->health_url, e);
	if (o->health_cmd)
		return given_probe(o->health_cmd, e);
	return image_probe(json_object_get(image, "Test"));
}

static json_t *health_part(const struct plan_opts *o, const struct plan_image *im, struct err *e)
{
	const json_t *image = im->healthcheck;
	json_int_t retries = json_integer_value(json_object_get(image, "Retries"));
	auto_json json_t *probe = find_probe(o, image, e);
	uint64_t interval, limit, start;

	if (!probe ||
	        duration("health-interval", o->health_interval, json_object_get(image, "Interval"),
	                30000, &interval, e) < 0 ||
	        duration("health-timeout", o->health_timeout, json_object_get(image, "Timeout"),
	                30000, &limit, e) < 0 ||
	        duration("health-start-period", o->health_start_period,
	                json_object_get(image, "StartPeriod"), 0, &start, e) < 0)
		return NULL;
	if (o->health_retries > RETRIES_MAX) {
		err_set(e, FCVM_EX_USAGE, "--health-retries: at most %d", RETRIES_MAX);
		return NULL;
	}
	if (o->health_retries)
		retries = (json_int_t)o->health_retries;
	if (json_is_null(probe))
		return json_null();
	return json_pack("{s:O, s:I, s:I, s:I, s:I}", "probe", probe, "intervalMs",
	        (json_int_t)(interval ? interval : 1), "timeoutMs", (json_int_t)(limit ? limit : 1),
	        "startPeriodMs", (json_int_t)start, "retries", retries > 0 ? retries : 3);
}

json_t *plan_life(const struct plan_opts *o, const struct plan_image *im, struct err *e)
{
	auto_json json_t *restart = NULL, *log = NULL, *health = NULL;

	if (!(restart = restart_part(o, e)) || !(log = log_part(o, e)) ||
	        !(health = health_part(o, im, e)))
		return NULL;
	return json_pack("{s:O, s:O, s:O, s:b}", "restart", restart, "log", log, "health", health,
	        "warm", (int)o->warm);
}
