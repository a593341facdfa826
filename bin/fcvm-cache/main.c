/* SPDX-License-Identifier: MIT
 * fcvm-cache: image references to read-only root file systems on disk. See fcvm-cache(1). */
#include "cleanup.h"
#include "msg.h"
#include "opt.h"
#include "status.h"
#include "verbs.h"

#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define AT(field) offsetof(struct cache_opts, field)

static const struct opt table[] = {
        {0, "pull", "POLICY", "pull: missing (default), always, newer or never", OPT_STR, AT(pull),
                false},
        {0, "platform", "OS/ARCH[/VARIANT]", "which of a multi-platform image (this machine's)",
                OPT_STR, AT(platform), false},
        {0, "authfile", "FILE", "pull: registry credentials, see containers-auth.json(5)", OPT_STR,
                AT(authfile), false},
        {0, "creds-file", "FILE", "pull: a file with user:password (-: stdin)", OPT_STR,
                AT(creds_file), false},
        {0, "cert-dir", "DIR", "pull: registry certificates", OPT_STR, AT(cert_dir), false},
        {0, "tls-verify", NULL, "pull: check the registry's certificate (=false: do not)", OPT_FLAG,
                AT(tls_verify), false},
        {0, "max-entries", "N", "pull: most files an image may have", OPT_U64, AT(max_entries),
                false},
        {0, "max-size", "BYTES", "pull: most bytes an image may unpack to", OPT_SIZE, AT(max_size),
                false},
        {'a', "all", NULL, "prune: every image that no VM uses", OPT_FLAG, AT(all), false},
        {'q', "quiet", NULL, "no progress; ls: only ids", OPT_FLAG, AT(quiet), false},
        {0, "json", NULL, "print JSON", OPT_FLAG, AT(json), false},
        OPT_END,
};

static const struct opt_spec spec = {
        .usage = "fcvm-cache pull|ls|rm|prune|verify|inspect [options] [IMAGE…]",
        .summary = "Keeps images as read-only root file systems, ready to boot from.",
        .table = table,
};

/* Whether there is a line of progress to clear: on a terminal even that would be seen. */
static bool ticked(bool now)
{
	static bool ever;

	ever |= now;
	return ever;
}

static void tick(const char *what, uint64_t done, uint64_t total)
{
	if (progress_bytes(what, done, total))
		ticked(true);
}

static int verb_pull(struct store *s, const struct cache_opts *o, char **args, struct err *e)
{
	struct pull_opts p = {
	        .platform = o->platform,
	        .authfile = o->authfile,
	        .cert_dir = o->cert_dir,
	        .creds_file = o->creds_file,
	        .tls_verify = o->tls_verify,
	        .limits = {.max_entries = o->max_entries, .max_bytes = o->max_size},
	        .tick = o->quiet ? NULL : tick,
	};
	struct pull_result r;
	int status;

	if (!*args || args[1])
		return opt_usage(&spec, e, "pull needs one image reference");
	if (pull_policy_parse(o->pull, &p.policy, e) < 0)
		return -1;
	status = pull_image(s, *args, &p, &r, e);
	if (ticked(false))
		progress_end();
	if (r.note && !o->quiet)
		msg("%s", r.note);
	if (!status && o->json) {
		auto_json json_t *doc = json_pack("{s:s,s:s,s:s,s:s,s:b}", "image", r.id, "path",
		        r.path, "manifest", r.manifest, "source", r.source, "exported", r.exported);

		json_print(doc);
	} else if (!status) {
		puts(r.path);
	}
	pull_result_free(&r);
	return status;
}

static verb_fn *find(const char *name, struct err *e)
{
	static const char *const names[] = {"pull", "ls", "rm", "prune", "verify", "inspect", NULL};
	static verb_fn *const verbs[] = {
	        verb_pull, verb_ls, verb_rm, verb_prune, verb_verify, verb_inspect};
	int i = opt_verb(&spec, name, names, e);

	return i < 0 ? NULL : verbs[i];
}

int main(int argc, char **argv)
{
	struct flatten_limits limits = FLATTEN_LIMITS_DEFAULT;
	struct cache_opts o = {.pull = "missing",
	        .tls_verify = true,
	        .max_entries = limits.max_entries,
	        .max_size = limits.max_bytes};
	struct err e = {.text = ""};
	bool has_verb = argc > 1 && argv[1][0] != '-';
	struct store s;
	verb_fn *run;
	int at, r;

	setlocale(LC_CTYPE, "C.UTF-8"); /* for names in messages; names themselves are only bytes */
	signal(SIGPIPE, SIG_IGN);       /* a packer that dies is an error, not our end */
	at = opt_parse(&spec, argc - has_verb, argv + has_verb, &o, &e);
	if (at < 0)
		return e.status == FCVM_EX_OK ? FCVM_EX_OK : msg_err(&e);
	if (!has_verb) {
		opt_usage(&spec, &e, "the first word is no verb");
		return msg_err(&e);
	}
	run = find(argv[1], &e);
	if (!run)
		return msg_err(&e);
	r = store_open(&s, &e);
	if (!r)
		r = run(&s, &o, argv + has_verb + at, &e);
	store_close(&s);
	if (!r && fflush(stdout) != 0)
		r = err_sys(&e, "cannot write to stdout");
	return r < 0 ? msg_err(&e) : r;
}
