/* SPDX-License-Identifier: MIT
 * Names of entries of an archive. */
#ifndef CTL_CP_NAMES_H
#define CTL_CP_NAMES_H

#include <archive.h>
#include <archive_entry.h>
#include <stdbool.h>
#include <stddef.h>

/* The path below the top that an entry's path means, without "./" and slashes around it ("": the
 * top itself); a new string, or NULL if the path leaves the top or is too long. */
char *names_below(const char *path);

/* That below another top; NULL: as it is. A new string. */
char *names_under(const char *top, const char *below);

/* Directories whose contents are still coming. A tar sets a directory's time when it makes it,
 * which is too early, so an archive for it has each directory again after its contents. */
struct names_open {
	struct archive_entry **v;
	size_t n;
};

/* The innermost one, if an entry of that name (NULL: the end) is not in it; taken out, the caller
 * frees it. */
struct archive_entry *names_leave(struct names_open *o, const char *name);
void names_enter(struct names_open *o, struct archive_entry *dir, const char *name);
void names_free(struct names_open *o);

#endif
