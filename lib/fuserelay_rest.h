/* SPDX-License-Identifier: MIT
 * How a relay (fuserelay.c's) comes to rest: its side of FUSERELAY_REST and FUSERELAY_GO, at the
 * word of whoever has the other end of its control socket. */
#ifndef FCVM_FUSERELAY_REST_H
#define FCVM_FUSERELAY_REST_H

#include "fuserelay_notify.h"

#include <stdbool.h>
#include <stddef.h>

struct fuserelay_rest;

/* control: -1, and nobody asks for rest. All that is given is borrowed until the end. NULL with
 * errno set. */
struct fuserelay_rest *fuserelay_rest_start(int wire, int control, struct fuserelay_notify *notes);
/* Sends a whole message to the server; waits while the relay rests. 0 or -errno. */
int fuserelay_rest_send(struct fuserelay_rest *r, const void *message, size_t n);
/* Takes a word of the server's, FUSERELAY_HELLO_N bytes. false: there is no such word. */
bool fuserelay_rest_word(struct fuserelay_rest *r, const char *word);
/* The server is gone: nothing waits any longer. */
void fuserelay_rest_gone(struct fuserelay_rest *r);
void fuserelay_rest_stop(struct fuserelay_rest *r);

#endif
