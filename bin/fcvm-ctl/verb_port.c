/* SPDX-License-Identifier: MIT
 * port: which of the host's ports lead to a container's. */
#include "act.h"
#include "cleanup.h"
#include "dirs.h"
#include "num.h"
#include "show.h"
#include "status.h"

#include <inttypes.h>
#include <string.h>

#define PORT_MAX 65535

struct opts {
	bool all;
	struct vms_selector who;
};
#define O(member) offsetof(struct opts, member)

static const struct opt table[] = {
        {'a', "all", NULL, "of every VM, with its name", OPT_FLAG, O(all), false},
        VMS_OPT_NAME(O(who)),
        VMS_OPT_PID(O(who)),
        VMS_OPT_LATEST(O(who)),
        OPT_END,
};
static const struct opt_spec spec = {
        .usage = "fcvm-ctl port [options] [VM] [PORT[/PROTOCOL]]",
        .summary = "Prints which of the host's ports lead to a container's.",
        .table = table,
};

struct wanted {
	const char *word; /* NULL: every port */
	uint64_t port;
	const char *proto;
};

/* Ports FIRST[-LAST] of the text, which ends at the given byte. */
static int range(const char *p, const char *end, uint64_t *first, uint64_t *last)
{
	auto_free char *text = strndup(p, (size_t)(end - p));
	char *minus = text ? strchr(text, '-') : NULL;

	if (minus)
		*minus++ = 0;
	if (!text || num_u64(text, 1, PORT_MAX, first) < 0)
		return -1;
	*last = *first;
	return minus ? num_u64(minus, *first, PORT_MAX, last) : 0;
}

static const char *last_colon(const char *from, const char *end)
{
	while (end > from && end[-1] != ':')
		end--;
	return end;
}

/* Prints what one "ADDRESS:PORTS->PORTS/PROTOCOL" says; the number of lines. A port without "->" is
 * not published. */
static size_t print_one(const char *text, const char *vm, const struct wanted *w)
{
	const char *arrow = strstr(text, "->"), *slash = arrow ? strchr(arrow, '/') : NULL;
	const char *host = arrow ? last_colon(text, arrow) : NULL;
	auto_free char *address =
	        host && host > text ? strndup(text, (size_t)(host - text) - 1) : xstrdup("0.0.0.0");
	uint64_t from, from_last, to, to_last;
	size_t n = 0;

	if (!slash || range(host, arrow, &from, &from_last) < 0 ||
	        range(arrow + 2, slash, &to, &to_last) < 0 || from_last - from != to_last - to)
		return 0;
	for (; to <= to_last; to++, from++) {
		if (w->word && (to != w->port || strcmp(slash + 1, w->proto) != 0))
			continue;
		if (vm)
			printf("%s\t", vm);
		if (!w->word) {
			printf("%" PRIu64, to);
			show_clean(stdout, slash);
			fputs(" -> ", stdout);
		}
		show_clean(stdout, address);
		printf(":%" PRIu64 "\n", from);
		n++;
	}
	return n;
}

static size_t print(const struct vm *vm, bool with_name, const struct wanted *w)
{
	const json_t *ports = json_object_get(vm->state, "ports"), *port;
	size_t n = 0;

	for (size_t i = 0; (port = json_array_get(ports, i)); i++)
		if (json_is_string(port))
			n += print_one(json_string_value(port), with_name ? vm->name : NULL, w);
	return n;
}

static int parse(const char *word, struct wanted *w, struct err *e)
{
	const char *slash = strchr(word, '/');
	auto_free char *number = strndup(word, strcspn(word, "/"));

	*w = (struct wanted){.word = word, .proto = slash ? slash + 1 : "tcp"};
	if (!number || num_u64(number, 0, PORT_MAX, &w->port) < 0 || strchr(w->proto, '/'))
		return err_set(e, FCVM_EX_USAGE, "%s: not a port: write it as 80 or 80/udp", word);
	return 0;
}

static int port(struct opts *o, struct err *e)
{
	bool by_option = o->who.names.n || o->who.pids.n || o->who.latest || o->all;
	size_t taken = by_option || !o->who.n_words ? 0 : 1;
	auto_free char *base = dirs_run();
	struct wanted w = {.word = NULL};
	auto_vms struct vms vms = {0};
	size_t n = 0;

	if (o->who.n_words > taken + 1 || (o->all && o->who.n_words))
		return opt_usage(&spec, e, "port takes one VM and one port, or --all");
	if (o->who.n_words > taken && parse(o->who.words[taken], &w, e) < 0)
		return -1;
	o->who.n_words = taken;
	o->who.all = o->all;
	if ((o->all ? vms_resolve : vms_resolve_one)(base, &o->who, &vms, e) < 0)
		return -1;
	for (size_t i = 0; i < vms.n; i++)
		n += print(&vms.v[i], o->all, &w);
	if (w.word && !n)
		return err_set(e, FCVM_EX_NO, "failed to find published port \"%s\"", w.word);
	return FCVM_EX_OK;
}

int ctl_port(int argc, char **argv, struct err *e)
{
	struct opts o = {.all = false};
	int r = vms_opt_parse(&spec, argc, argv, &o, &o.who, e);

	if (r == 0)
		r = port(&o, e);
	vms_selector_free(&o.who);
	return r;
}
