/* SPDX-License-Identifier: MIT
 * Command-line options from one const table per program: the table is what is parsed, what --help
 * prints and what the tests compare with the man page and the completion. Values land in a struct
 * that main owns, at the offset stored in the row.
 *
 * Every table also answers --help, --version and --list-options (hidden: one option a line).
 * Accepted forms: --name=V, --name V, -nV, -n V, bundled flags (-it), --flag=true|false (and 1, t,
 * T, …), "--". */
#ifndef FCVM_OPT_H
#define FCVM_OPT_H

#include "err.h"
#include "strv.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum opt_kind {
	OPT_FLAG,  /* bool */
	OPT_STR,   /* const char *, into argv; the last one wins */
	OPT_LIST,  /* struct strv, every one kept */
	OPT_U64,   /* uint64_t */
	OPT_SIZE,  /* uint64_t, bytes with suffix */
	OPT_MILLI, /* uint64_t, thousandths */
	OPT_HEAD   /* a heading in --help, no option */
};

struct opt {
	char letter;      /* 0: none */
	const char *name; /* without dashes; NULL: letter only */
	const char *arg;  /* the value's word in --help; NULL for flags */
	const char *help;
	enum opt_kind kind;
	size_t offset; /* of the target in the options struct */
	bool hidden;   /* accepted (another spelling), but not shown in --help */
};

#define OPT_END                            \
	{                                  \
		.name = NULL, .help = NULL \
	}

struct opt_spec {
	const char *usage;   /* "fcvm-x [options] NAME", without "usage: " */
	const char *summary; /* one sentence */
	const struct opt *table;
};

/* Parses argv[1…] up to the first word that is no option (or past "--") into *target.
 * Returns the index of that word, or -1 with e filled: status FCVM_EX_USAGE and a text that names
 * the option and, for an unknown one, the closest known. --help and the like print on stdout and
 * return -1 with e->status FCVM_EX_OK. */
int opt_parse(const struct opt_spec *spec, int argc, char **argv, void *target, struct err *e);

/* The same where options may follow words; *words, which the caller frees, gets copies of those. 0,
 * or -1. */
int opt_parse_mixed(const struct opt_spec *spec, int argc, char **argv, void *target,
        struct strv *words, struct err *e);

/* "fcvm-x --help" for the end of usage messages written by main. */
int opt_usage(const struct opt_spec *spec, struct err *e, const char *fmt, ...)
        __attribute__((format(printf, 3, 4)));

/* The known word closest to `word` in a NULL-terminated list, or NULL if none is close. */
const char *opt_closest(const char *word, const char *const *known);

/* Which of a NULL-terminated list of verbs it is; or -1 with e filled, and the closest named. */
int opt_verb(
        const struct opt_spec *spec, const char *word, const char *const *verbs, struct err *e);

#endif
