/* SPDX-License-Identifier: MIT
 * fcvm-mem: serves the memory of one snapshot to many machines. See fcvm-mem(1). */
#include "mem_server.h"
#include "msg.h"
#include "opt.h"
#include "status.h"
#include "xio.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>

#define CLIENTS_MAX 1000 /* the keeper has room for a few more */

static const struct opt table[] = {
        {0, "socket", "PATH", "where machines connect, or whom to ask", OPT_STR,
                offsetof(struct mem_opts, socket), false},
        {0, "memory", "FILE", "serve: the snapshot's memory", OPT_STR,
                offsetof(struct mem_opts, memory), false},
        {0, "record", "FILE", "serve: note what the first machine needs, in its order", OPT_STR,
                offsetof(struct mem_opts, record), false},
        {0, "replay", "FILE", "serve: what was noted is put in place ahead of need", OPT_STR,
                offsetof(struct mem_opts, replay), false},
        {0, "clients", "N", "serve: at most so many machines at once (64)", OPT_U64,
                offsetof(struct mem_opts, clients), false},
        {0, "ready-fd", "FD", "serve: a descriptor to write a line to when machines may connect",
                OPT_U64, offsetof(struct mem_opts, ready_fd), false},
        {0, "json", NULL, "stat: print JSON", OPT_FLAG, offsetof(struct mem_opts, json), false},
        OPT_END,
};

static const struct opt_spec spec = {
        .usage = "fcvm-mem serve|stat --socket PATH [options]",
        .summary = "Serves the memory of one snapshot to many machines.",
        .table = table,
};

static int check_serve(const struct mem_opts *o, struct err *e)
{
	if (!o->memory)
		return opt_usage(&spec, e, "--memory is missing");
	if (o->record && o->replay)
		return opt_usage(&spec, e,
		        "--record and --replay exclude each other: what is put in place ahead of "
		        "need cannot be seen to be needed");
	if (!o->clients || o->clients > CLIENTS_MAX)
		return opt_usage(&spec, e, "--clients: 1 to %d", CLIENTS_MAX);
	if (o->ready_fd && (o->ready_fd > INT_MAX || fcntl((int)o->ready_fd, F_GETFD) < 0))
		return opt_usage(&spec, e, "--ready-fd: no such descriptor");
	return 0;
}

static int verb(const char *name, const struct mem_opts *o, struct err *e)
{
	bool serve = !strcmp(name, "serve");

	if (!serve && strcmp(name, "stat") != 0)
		return opt_usage(&spec, e, "unknown verb '%s'", name);
	if (!o->socket)
		return opt_usage(&spec, e, "--socket is missing");
	if (!serve)
		return mem_stat(o, e);
	if (check_serve(o, e) < 0)
		return -1;
	return mem_serve(o, e);
}

int main(int argc, char **argv)
{
	struct mem_opts o = {.clients = 64};
	struct err e = {.text = ""};
	bool has_verb = argc > 1 && argv[1][0] != '-';
	int at = opt_parse(&spec, argc - has_verb, argv + has_verb, &o, &e);

	std_fds_open();
	if (at < 0)
		return e.status == FCVM_EX_OK ? FCVM_EX_OK : msg_err(&e);
	if (!has_verb)
		opt_usage(&spec, &e, "a verb is missing");
	else if (at < argc - 1)
		opt_usage(&spec, &e, "unexpected word '%s'", argv[1 + at]);
	else if (verb(argv[1], &o, &e) == 0)
		return FCVM_EX_OK;
	return msg_err(&e);
}
