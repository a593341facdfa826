/* SPDX-License-Identifier: MIT
 * Where things live. All return a malloc'd absolute path (the caller frees) and never NULL unless
 * said; none creates anything.
 *
 *   data   $FCVM_DATA_DIR, else root: /var/lib/fcvm, else ${XDG_DATA_HOME:-~/.local/share}/fcvm
 *   run    $FCVM_RUN_BASE, else root: /run/fcvm, else ${XDG_RUNTIME_DIR:-/tmp/fcvm-UID}/fcvm
 *   share  ../share/fcvm beside the program's folder (kernel profiles, examples)
 *   libexec ../libexec/fcvm beside the program's folder (the guest agent)
 *   program ../bin/fcvm-NAME beside the program's folder
 */
#ifndef FCVM_DIRS_H
#define FCVM_DIRS_H

char *dirs_data(void);
char *dirs_run(void);
char *dirs_share(void);
char *dirs_libexec(void);
char *dirs_program(const char *name);

#endif
