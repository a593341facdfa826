/* SPDX-License-Identifier: MIT
 * The members of an OCI image config that a plan is made from. The config is the image author's:
 * every type is checked before use. jansson has refused NUL bytes and invalid UTF-8 already. */
#include "json.h"
#include "num.h"
#include "plan.h"
#include "status.h"

#include <string.h>

#define USER_MAX 256

static int refuse(struct err *e, const char *key, const char *why)
{
	return err_set(e, FCVM_EX_DATA, "image config: %s %s", key, why);
}

static int get(const json_t *c, const char *key, json_type type, const json_t **out, struct err *e)
{
	const json_t *v = json_object_get(c, key);

	*out = NULL;
	if (!v || json_is_null(v))
		return 0;
	if (json_typeof(v) != type)
		return refuse(e, key, type == JSON_ARRAY ? "is not a list" : "is not an object");
	*out = v;
	return 0;
}

static int get_words(const json_t *c, const char *key, const json_t **out, struct err *e)
{
	size_t i;
	json_t *w;

	if (get(c, key, JSON_ARRAY, out, e) < 0)
		return -1;
	json_array_foreach(*out, i, w)
	{
		if (!json_is_string(w))
			return refuse(e, key, "holds something that is not a string");
	}
	return 0;
}

static int get_str(const json_t *c, const char *key, const char **out, struct err *e)
{
	if (json_get_str(c, key, out, e) < 0)
		return err_prefix(e, "image config");
	return 0;
}

static int check(const struct plan_image *im, struct err *e)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)im->labels, name, value)
	{
		if (!json_is_string(value))
			return refuse(e, "Labels", "holds something that is not a string");
	}
	json_object_foreach((json_t *)im->ports, name, value)
	{
		if (!plan_is_port(name))
			return refuse(e, "ExposedPorts", "holds something that is not a port");
	}
	if (im->user && (strlen(im->user) > USER_MAX || strpbrk(im->user, "\n\r\t /")))
		return refuse(e, "User", "is not a user");
	if (im->workdir && *im->workdir && *im->workdir != '/')
		return refuse(e, "WorkingDir", "is not an absolute path");
	if (im->stop_signal && *im->stop_signal && num_signal(im->stop_signal) < 0)
		return refuse(e, "StopSignal", "is not a signal");
	return 0;
}

int plan_image_read(const json_t *config, struct plan_image *im, struct err *e)
{
	const json_t *c, *test;
	const char *os;

	*im = (struct plan_image){0};
	if (get_str(config, "os", &os, e) < 0)
		return -1;
	if (os && *os && strcmp(os, "linux") != 0)
		return err_set(e, FCVM_EX_DATA, "the image is for %.40s, not for Linux", os);
	if (get(config, "config", JSON_OBJECT, &c, e) < 0)
		return -1;
	if (!c)
		return 0;
	if (get_words(c, "Env", &im->env, e) < 0 ||
	        get_words(c, "Entrypoint", &im->entrypoint, e) < 0 ||
	        get_words(c, "Cmd", &im->cmd, e) < 0 ||
	        get(c, "Volumes", JSON_OBJECT, &im->volumes, e) < 0 ||
	        get(c, "ExposedPorts", JSON_OBJECT, &im->ports, e) < 0 ||
	        get(c, "Labels", JSON_OBJECT, &im->labels, e) < 0 ||
	        get(c, "Healthcheck", JSON_OBJECT, &im->healthcheck, e) < 0 ||
	        (im->healthcheck && get_words(im->healthcheck, "Test", &test, e) < 0) ||
	        get_str(c, "User", &im->user, e) < 0 ||
	        get_str(c, "WorkingDir", &im->workdir, e) < 0 ||
	        get_str(c, "StopSignal", &im->stop_signal, e) < 0)
		return -1;
	return check(im, e);
}
