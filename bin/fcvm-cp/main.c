/* SPDX-License-Identifier: MIT
 * fcvm-cp: files and directories between the host and containers, as a tar stream. See fcvm-cp(1).
 * It is not a verb of fcvm-ctl because libarchive takes longer to load than an exec takes. */
#include "cleanup.h"
#include "cp_flow.h"
#include "cp_place.h"
#include "cp_tool.h"
#include "dirs.h"
#include "msg.h"
#include "num.h"
#include "status.h"
#include "vms_opt.h"
#include "xio.h"

#include <fcntl.h>
#include <limits.h>
#include <locale.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

struct opts {
	bool archive, overwrite, pause, extract;
	struct vms_selector who;
};
#define O(member) offsetof(struct opts, member)

static const struct opt table[] = {
        {'a', "archive", NULL, "in a VM, files become the container's user's (true)", OPT_FLAG,
                O(archive), false},
        {0, "overwrite", NULL, "replace directories by other files, and others by directories",
                OPT_FLAG, O(overwrite), false},
        {0, "pause", NULL, "accepted: nothing is paused", OPT_FLAG, O(pause), true},
        {0, "extract", NULL, "accepted: an archive on stdin is always extracted", OPT_FLAG,
                O(extract), true},
        VMS_OPT_NAME(O(who)),
        VMS_OPT_PID(O(who)),
        VMS_OPT_LATEST(O(who)),
        OPT_END,
};
static const struct opt_spec spec = {
        .usage = "fcvm-cp [options] [VM]:PATH PATH | PATH [VM]:PATH | [VM]:PATH [VM]:PATH",
        .summary = "Copies files and directories from and to containers. '-' is a tar archive on "
                   "stdin or stdout.",
        .table = table,
};

struct copy {
	struct place from, to;
	struct vms from_vm, to_vm;
	const struct opts *o;
};

/* By its name, or by the options if the name is left out. */
static int find_vm(const struct opts *o, char *name, struct vms *vms, struct err *e)
{
	struct vms_selector who = {.words = &name, .n_words = 1};
	auto_free char *base = dirs_run();

	if (*name)
		return vms_resolve_one(base, &who, vms, e);
	who = o->who;
	who.words = NULL;
	who.n_words = 0;
	return vms_resolve_one(base, &who, vms, e);
}

static int parse_end(
        const struct opts *o, const char *word, struct place *p, struct vms *vms, struct err *e)
{
	auto_free char *name = NULL;

	place_parse(word, p, &name);
	if (!*p->path)
		return opt_usage(&spec, e, "'%s' has no path", word);
	if (!name)
		return 0;
	if (find_vm(o, name, vms, e) < 0)
		return -1;
	p->vm = &vms->v[0];
	return 0;
}

static int check(const struct copy *c, struct err *e)
{
	const struct place *from = &c->from, *to = &c->to;
	size_t n;

	if (!from->vm && !to->vm)
		return opt_usage(&spec, e, "neither side is in a VM: write VM:PATH");
	if (to->stream && isatty(STDOUT_FILENO))
		return err_set(e, FCVM_EX_USAGE,
		        "an archive is not written to a terminal: redirect stdout");
	if (!from->vm || !to->vm || strcmp(from->vm->name, to->vm->name) != 0 || !from->is_dir)
		return 0;
	n = strlen(from->dir);
	if (!strncmp(to->dir, from->dir, n) && (n == 1 || !to->dir[n] || to->dir[n] == '/'))
		return err_set(e, FCVM_EX_USAGE, "%s: a directory cannot be copied into itself",
		        from->path);
	return 0;
}

/* Of the container, which only its own system knows. */
static int container_owner(const struct vm *vm, struct flow *f, struct err *e)
{
	auto_strv struct strv args = {0};
	char answer[64], *gid;
	uint64_t uid_n, gid_n;
	ssize_t n;

	strv_addl(&args, "sh", "-c", "echo $(id -u):$(id -g)", NULL);
	n = tool_output(vm, &args, false, answer, sizeof answer, e);
	if (n < 0)
		return -1;
	answer[strcspn(answer, "\n")] = 0;
	gid = strchr(answer, ':');
	if (gid)
		*gid++ = 0;
	if (!gid || num_u64(answer, 0, UINT_MAX, &uid_n) < 0 ||
	        num_u64(gid, 0, UINT_MAX, &gid_n) < 0)
		return err_set(e, FCVM_EX_FAIL, "%s: the container's user is unknown", vm->name);
	f->chown = true;
	f->uid = (uid_t)uid_n;
	f->gid = (gid_t)gid_n;
	return 0;
}

/* The whole system without what the kernel shows in it, else the directory or the file. */
static int start_reader(const struct place *p, struct tool *t, struct err *e)
{
	auto_strv struct strv args = {0};

	if (p->is_dir && !strcmp(p->dir, "/"))
		strv_addl(&args, "sh", "-c",
		        "cd / && for f in * .*; do case $f in .|..|dev|proc|sys) ;; "
		        "*) if [ -e \"$f\" ] || [ -L \"$f\" ]; then set -- \"$@\" \"./$f\"; fi ;; "
		        "esac; done; exec tar -cf - \"$@\"",
		        "sh", NULL);
	else
		strv_addl(&args, "tar", "-cf", "-", "-C", p->dir, NULL);
	if (!p->is_dir)
		strv_addf(&args, "./%s", p->name);
	else if (strcmp(p->dir, "/") != 0)
		strv_add(&args, ".");
	return tool_start(p->vm, &args, TOOL_WRITES, true, t, e);
}

static int start_writer(const struct place *p, struct tool *t, struct err *e)
{
	auto_strv struct strv args = {0};

	strv_addl(&args, "tar", "-xpf", "-", "--numeric-owner", "-C", p->dir, NULL);
	return tool_start(p->vm, &args, TOOL_READS, true, t, e);
}

static int open_place(const struct place *p, int std, struct err *e)
{
	int fd = p->stream ? fcntl(std, F_DUPFD_CLOEXEC, 3)
	                   : open(p->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		err_sys(e, "%s", p->stream ? "-" : p->dir);
	return fd;
}

/* Opens both ends; a VM's is its tool's to close. */
static int open_ends(const struct copy *c, struct flow *f, struct tool *reader, struct tool *writer,
        struct err *e)
{
	if (c->from.vm && start_reader(&c->from, reader, e) < 0)
		return -1;
	if (c->to.vm && start_writer(&c->to, writer, e) < 0)
		return -1;
	f->from_fd = c->from.vm ? reader->fd : open_place(&c->from, STDIN_FILENO, e);
	if (f->from_fd < 0)
		return -1;
	f->to_fd = c->to.vm ? writer->fd : open_place(&c->to, STDOUT_FILENO, e);
	return f->to_fd < 0 ? -1 : 0;
}

/* The error is of whoever broke the stream off. */
static int settle(enum flow_end end, struct tool *reader, struct tool *writer, struct err *e)
{
	struct err in, out;
	int in_failed, out_failed;

	if (end == FLOW_BAD_OUT || end == FLOW_REFUSED)
		tool_kill(reader);
	if (end == FLOW_BAD_IN || end == FLOW_REFUSED)
		tool_kill(writer);
	in_failed = tool_end(reader, &in);
	out_failed = tool_end(writer, &out);
	if (end == FLOW_REFUSED)
		return -1;
	if (in_failed && end != FLOW_BAD_OUT)
		*e = in;
	else if (out_failed && end != FLOW_BAD_IN)
		*e = out;
	else
		return end == FLOW_DONE ? 0 : -1;
	return -1;
}

static enum flow_kind kind(const struct place *p)
{
	return p->vm ? FLOW_VM : p->stream ? FLOW_STREAM : FLOW_DISK;
}

static int copy(const struct copy *c, struct err *e)
{
	const struct place *from = &c->from, *to = &c->to;
	struct tool reader = TOOL_NONE, writer = TOOL_NONE;
	struct flow f = {.from = kind(from),
	        .to = kind(to),
	        .from_fd = -1,
	        .to_fd = -1,
	        .overwrite = c->o->overwrite};
	enum flow_end end = FLOW_REFUSED;
	int r;

	if (!from->stream && !from->is_dir)
		f.file = from->name;
	if (!to->stream && !to->is_dir)
		f.name = to->name;
	else if (!from->stream && !from->contents)
		f.name = from->name;
	if (to->vm && c->o->archive && container_owner(to->vm, &f, e) < 0)
		return -1;
	if (open_ends(c, &f, &reader, &writer, e) == 0)
		end = flow_run(&f, e);
	r = settle(end, &reader, &writer, e);
	if (!from->vm && f.from_fd >= 0)
		close(f.from_fd);
	if (!to->vm && f.to_fd >= 0 && close(f.to_fd) < 0 && r == 0)
		r = err_sys(e, "cannot write stdout");
	return r;
}

static int cp(struct copy *c, struct vms_selector *who, struct err *e)
{
	if (who->n_words != 2)
		return opt_usage(&spec, e, "cp takes a source and a destination");
	if (parse_end(c->o, who->words[0], &c->from, &c->from_vm, e) < 0 ||
	        parse_end(c->o, who->words[1], &c->to, &c->to_vm, e) < 0)
		return -1;
	if (!c->from.vm && !c->to.vm)
		return check(c, e);
	if (place_source(&c->from, e) < 0 ||
	        place_destination(&c->to, &c->from, c->o->overwrite, e) < 0 || check(c, e) < 0)
		return -1;
	return copy(c, e);
}

static int run(int argc, char **argv, struct err *e)
{
	struct opts o = {.archive = true};
	struct copy c = {.o = &o};
	int r = vms_opt_parse(&spec, argc, argv, &o, &o.who, e);

	if (r == 0)
		r = cp(&c, &o.who, e);
	place_free(&c.from);
	place_free(&c.to);
	vms_free(&c.from_vm);
	vms_free(&c.to_vm);
	vms_selector_free(&o.who);
	return r;
}

int main(int argc, char **argv)
{
	struct err e = {.text = ""};
	int r;

	std_fds_open();
	setlocale(LC_CTYPE, "C.UTF-8"); /* for names in archives */
	signal(SIGPIPE, SIG_IGN);       /* whoever does not read any more is told by write */
	r = run(argc, argv, &e);
	if (r == 0 || e.status == FCVM_EX_OK)
		return FCVM_EX_OK;
	msg_err(&e);
	return FCVM_EX_FAIL;
}
