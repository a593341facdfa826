/* SPDX-License-Identifier: MIT
 * Exit statuses, defined once. Tools that run the rest of their command line (fcvm-rundir,
 * fcvm-boot, …) fail with FCVM_EX_FAIL, so that the status of what they run passes through
 * unambiguously, as podman(1) does; the others tell the kinds of failure apart. */
#ifndef FCVM_STATUS_H
#define FCVM_STATUS_H

enum fcvm_exit {
	FCVM_EX_OK = 0,
	FCVM_EX_NO = 1,         /* a plain "no": nothing found, not valid, cannot */
	FCVM_EX_USAGE = 100,    /* the command line is wrong */
	FCVM_EX_DATA = 101,     /* the input (image, kernel, file) is refused */
	FCVM_EX_NOTFOUND = 102, /* what was named does not exist */
	FCVM_EX_BUSY = 103,     /* what was named is in use */
	FCVM_EX_SYS = 111,    /* the system refused: out of space, permission, a missing program */
	FCVM_EX_FAIL = 125,   /* fcvm failed, in a program whose status is the container's */
	FCVM_EX_NOEXEC = 126, /* the command cannot be executed */
	FCVM_EX_NOENT = 127,  /* the command was not found */
	FCVM_EX_SIGNAL = 128  /* + N: ended by signal N */
};

#endif
