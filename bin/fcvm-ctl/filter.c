/* SPDX-License-Identifier: MIT */
#include "filter.h"
#include "cleanup.h"
#include "num.h"
#include "opt.h"
#include "status.h"

#include <regex.h>
#include <string.h>

typedef bool match_fn(const struct vm *vm, const char *value);

static bool match_name(const struct vm *vm, const char *value)
{
	regex_t re;
	bool hit;

	if (regcomp(&re, value, REG_EXTENDED | REG_NOSUB) != 0)
		return false;
	hit = regexec(&re, vm->name, 0, NULL, 0) == 0;
	regfree(&re);
	return hit;
}

static bool match_id(const struct vm *vm, const char *value)
{
	return strncmp(vm->name, value, strlen(value)) == 0;
}

static bool match_label(const struct vm *vm, const char *value)
{
	size_t n = strcspn(value, "=");
	auto_free char *key = strndup(value, n);
	const json_t *labels = json_object_get(vm->state, "labels");
	const json_t *v = key ? json_object_get(labels, key) : NULL;
	const char *text = json_string_value(v);

	return v && (!value[n] || !strcmp(text ? text : "", value + n + 1));
}

static bool match_status(const struct vm *vm, const char *value)
{
	return !strcmp(vm_text(vm, "state"), value);
}

static bool match_exited(const struct vm *vm, const char *value)
{
	uint64_t status;

	return vm->ended && num_u64(value, 0, 255, &status) == 0 &&
	       (json_int_t)status == vm_number(vm, "exit");
}

static bool match_health(const struct vm *vm, const char *value)
{
	const char *health = vm_text(vm, "health");

	return !strcmp(*health ? health : "none", value);
}

/* Without its registry and path, and without tag and digest, if value has none. */
static bool match_ancestor(const struct vm *vm, const char *value)
{
	const char *image = vm_text(vm, "image"), *p = image;
	size_t n = strlen(value);

	while (n && (p = strstr(p, value))) {
		if ((p == image || p[-1] == '/') && strchr(":@", p[n]))
			return true; /* strchr finds the end as well */
		p++;
	}
	return false;
}

/* podman's words too, for states that no VM here is in. */
static const char *const states[] = {"starting", "running", "paused", "stopping", "created",
        "initialized", "exited", "removing", "dead", "unknown", NULL};
static const char *const healths[] = {"none", "starting", "healthy", "unhealthy", NULL};

static const struct key {
	const char *name;
	match_fn *match;
	const char *const *words; /* that the value may be; NULL: any */
} keys[] = {
        {"name", match_name, NULL},
        {"id", match_id, NULL},
        {"label", match_label, NULL},
        {"status", match_status, states},
        {"exited", match_exited, NULL},
        {"health", match_health, healths},
        {"ancestor", match_ancestor, NULL},
};
#define N_KEYS (sizeof keys / sizeof *keys)

/* The value of the filter if it is one for this key. */
static const char *value_for(const struct key *key, const char *filter)
{
	size_t n = strlen(key->name);

	return !strncmp(filter, key->name, n) && filter[n] == '=' ? filter + n + 1 : NULL;
}

static int check_value(const struct key *key, const char *value, struct err *e)
{
	uint64_t status;
	regex_t re;
	int r;

	for (size_t i = 0; key->words && strcmp(key->words[i], value) != 0; i++)
		if (!key->words[i + 1])
			return err_set(e, FCVM_EX_USAGE, "--filter %s=%s: there is no such %s",
			        key->name, value, key->name);
	if (key->match == match_exited && num_u64(value, 0, 255, &status) < 0)
		return err_set(e, FCVM_EX_USAGE, "--filter exited=%s: not an exit status", value);
	if (key->match != match_name)
		return 0;
	r = regcomp(&re, value, REG_EXTENDED | REG_NOSUB);
	if (r != 0)
		return err_set(
		        e, FCVM_EX_USAGE, "--filter name=%s: not a regular expression", value);
	regfree(&re);
	return 0;
}

static int check(const char *filter, struct err *e)
{
	for (size_t i = 0; i < N_KEYS; i++) {
		const char *value = value_for(&keys[i], filter);

		if (value)
			return check_value(&keys[i], value, e);
	}
	return err_set(e, FCVM_EX_USAGE,
	        "--filter %s: takes name=, id=, label=, status=, exited=, health= or ancestor=",
	        filter);
}

int filter_check(const struct strv *filters, struct err *e)
{
	for (size_t i = 0; i < filters->n; i++)
		if (check(filters->v[i], e) < 0)
			return -1;
	return 0;
}

bool filter_match(const struct strv *filters, const struct vm *vm)
{
	for (size_t k = 0; k < N_KEYS; k++) {
		bool asked = false, hit = false;

		for (size_t i = 0; i < filters->n; i++) {
			const char *value = value_for(&keys[k], filters->v[i]);

			asked |= value != NULL;
			hit |= value && keys[k].match(vm, value);
		}
		if (asked && !hit)
			return false;
	}
	return true;
}

bool filter_wants_ended(const struct strv *filters)
{
	for (size_t i = 0; i < filters->n; i++)
		if (!strncmp(filters->v[i], "status=", 7) || !strncmp(filters->v[i], "exited=", 7))
			return true;
	return false;
}
