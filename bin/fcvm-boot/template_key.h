/* SPDX-License-Identifier: MIT
 * What shaped a machine, all of it: two machines with one key are interchangeable until the plan
 * comes. */
#ifndef FCVM_TEMPLATE_KEY_H
#define FCVM_TEMPLATE_KEY_H

#include "sha256.h"
#include "vmm.h"

#include <jansson.h>

/* The description (a new reference, or NULL with e filled) of the machine of this configuration,
 * whose first disk is the image, and its hash. Of the plan counts what the machine does ahead. */
json_t *template_key(const struct vmm_ops *ops, const struct vmm_config *c, const json_t *plan,
        char key[SHA256_HEX], struct err *e);

/* The host, as far as a saved state is for it: a new reference. */
json_t *template_host(void);

#endif
