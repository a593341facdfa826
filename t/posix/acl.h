/* SPDX-License-Identifier: MIT
 * POSIX access control lists in the kernel's form, written as text: "u::rw- u:2004:r-- g::---
 * m::rwx o::---", with a digit for the bits: "u::6 u:2004:4 g::0 m::7 o::0". */
#ifndef FCVM_POSIX_ACL_H
#define FCVM_POSIX_ACL_H

#include "posix.h"

#include <sys/xattr.h>

#define ACL_ACCESS  "system.posix_acl_access"
#define ACL_DEFAULT "system.posix_acl_default"

struct acl {
	unsigned char bytes[256];
	size_t size;
};

struct acl acl_of(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void acl_add(struct acl *a, unsigned tag, unsigned bits, unsigned id);
/* -1 and errno */
int acl_set(const char *p, const char *name, struct acl a);
bool acl_is(const char *p, const char *name, struct acl want);

void acl_wrong(struct suite *s);
void xattrs(struct suite *s);

#endif
