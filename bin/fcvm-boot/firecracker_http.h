/* SPDX-License-Identifier: MIT
 * Answers of Firecracker's API server: HTTP/1.1 as far as that server speaks it. */
#ifndef FCVM_FIRECRACKER_HTTP_H
#define FCVM_FIRECRACKER_HTTP_H

#include <stddef.h>

#define FC_HEAD_MAX ((size_t)8 << 10)
#define FC_BODY_MAX ((size_t)1 << 20)

struct fc_answer {
	int status;
	const char *body; /* into the text that was parsed */
	size_t body_size;
	size_t size; /* of the whole answer */
};

/* 1: *a is the answer that the text begins with; 0: more is to come; -1: this is no answer. */
int fc_answer_parse(const char *text, size_t n, struct fc_answer *a);

/* The reason that the body of a refusal gives, or the body itself where it is no JSON (some are
 * not); one line, cut to fit. */
void fc_answer_reason(const struct fc_answer *a, char *out, size_t size);

#endif
