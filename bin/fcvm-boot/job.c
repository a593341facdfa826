/* SPDX-License-Identifier: MIT */
#include "job.h"
#include "json.h"
#include "status.h"

#include <stdio.h>

const char *job_tag(struct conn *c, const json_t *request, const char *why)
{
	const char *tag = json_string_value(json_object_get(request, "tag"));

	if (!tag)
		tag = c->m->name;
	if (!why && name_valid(tag))
		return tag;
	hub_refuse(
	        c, FCVM_EX_FAIL, "%s%s%s", why ? "" : tag, why ? "" : ": ", why ? why : NAME_RULE);
	return NULL;
}

void job_begin(struct job *j, const struct job_kind *kind, struct machine *m, struct conn *owner,
        const char *tag)
{
	*j = (struct job){.kind = kind, .m = m, .owner = owner, .aide = AIDE_NONE, .until_ms = -1};
	snprintf(j->tag, sizeof j->tag, "%s", tag);
	if (owner)
		owner->role = ROLE_JOB;
	m->job = j;
}

void job_due(struct machine *m, int64_t now)
{
	if (m->job)
		m->job->kind->due(m->job, now);
}

int64_t job_next(const struct machine *m)
{
	return m->job ? m->job->until_ms : -1;
}

void job_leave(struct conn *c)
{
	struct job *j = c->m->job;

	if (!j || j->owner != c)
		return;
	j->owner = NULL;
	j->kind->finish(j);
}

void job_end(struct machine *m)
{
	struct err e;

	if (!m->job)
		return;
	err_set(&e, FCVM_EX_FAIL, "the VM has ended");
	m->job->kind->fail(m->job, &e);
}
