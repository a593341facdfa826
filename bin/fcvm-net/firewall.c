/* SPDX-License-Identifier: MIT
 * A base chain of the forward hook drops what no rule of it accepts if its policy is drop, or if it
 * ends in a drop or reject of everything. It does not if rules accept everything from and to our
 * links: those that the message asks for, found again as nft prints them. */
#include "firewall.h"
#include "cleanup.h"
#include "json.h"
#include "msg.h"
#include "strv.h"

#include <nftables/libnftables.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define LINKS "fcvm*"

static const char *text(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s ? s : "";
}

static bool same_chain(const json_t *chain, const json_t *rule)
{
	return !strcmp(text(chain, "family"), text(rule, "family")) &&
	       !strcmp(text(chain, "table"), text(rule, "table")) &&
	       !strcmp(text(chain, "name"), text(rule, "chain"));
}

/* Whether the rule takes every packet and lets none pass. */
static bool drops_all(const json_t *rule)
{
	bool drops = false;
	const json_t *part;
	size_t i;

	json_array_foreach(json_object_get(rule, "expr"), i, part)
	{
		if (json_object_get(part, "drop") || json_object_get(part, "reject"))
			drops = true;
		else if (!json_object_get(part, "counter") && !json_object_get(part, "log"))
			return false;
	}
	return drops;
}

/* Whether it is: iifname "fcvm*" accept (or oifname). */
static bool accepts_links(const json_t *rule, const char *which)
{
	bool ours = false, accepts = false;
	const json_t *part;
	size_t i;

	json_array_foreach(json_object_get(rule, "expr"), i, part)
	{
		const json_t *match = json_object_get(part, "match");
		const json_t *meta = json_object_get(json_object_get(match, "left"), "meta");

		if (match && !strcmp(text(meta, "key"), which) &&
		        !strcmp(text(match, "op"), "==") && !strcmp(text(match, "right"), LINKS))
			ours = true;
		else if (json_object_get(part, "accept"))
			accepts = true;
		else if (!json_object_get(part, "counter"))
			return false;
	}
	return ours && accepts;
}

static void look_at(const json_t *all, const json_t *chain,
        void (*tell)(void *ctx, const char *family, const char *table, const char *chain),
        void *ctx)
{
	bool drops = !strcmp(text(chain, "policy"), "drop"), from = false, to = false;
	const json_t *item;
	size_t i;

	json_array_foreach(all, i, item)
	{
		const json_t *rule = json_object_get(item, "rule");

		if (!rule || !same_chain(chain, rule))
			continue;
		drops = drops || drops_all(rule);
		from = from || accepts_links(rule, "iifname");
		to = to || accepts_links(rule, "oifname");
	}
	if (drops && !(from && to))
		tell(ctx, text(chain, "family"), text(chain, "table"), text(chain, "name"));
}

void firewall_look(const json_t *ruleset,
        void (*tell)(void *ctx, const char *family, const char *table, const char *chain),
        void *ctx)
{
	const json_t *all = json_object_get(ruleset, "nftables"), *item;
	size_t i;

	json_array_foreach(all, i, item)
	{
		const json_t *chain = json_object_get(item, "chain");

		if (chain && !strcmp(text(chain, "hook"), "forward"))
			look_at(all, chain, tell, ctx);
	}
}

static void say(void *ctx, const char *family, const char *table, const char *chain)
{
	msg("the firewall table %s %s of this host may drop what %s sends: allow it: nft 'insert "
	    "rule %s %s %s iifname \"" LINKS "\" accept; insert rule %s %s %s oifname \"" LINKS
	    "\" accept'",
	        family, table, (const char *)ctx, family, table, chain, family, table, chain);
}

static json_t *ask(struct nft_ctx *ctx, const char *question)
{
	if (nft_run_cmd_from_buffer(ctx, question) < 0)
		return NULL;
	return json_loads(nft_ctx_get_output_buffer(ctx), 0, NULL);
}

/* Tables of other machines hold nothing back, and there may be many. */
static bool is_ours(const char *table)
{
	return !strncmp(table, "fcvm", 4) && strspn(table + 4, "0123456789") == strlen(table + 4);
}

void firewall_warn(struct nft_ctx *ctx, const char *link)
{
	auto_json json_t *chains = NULL;
	const json_t *item;
	size_t i;

	nft_ctx_output_set_flags(ctx, NFT_CTX_OUTPUT_JSON | NFT_CTX_OUTPUT_TERSE);
	chains = ask(ctx, "list chains");
	json_array_foreach(json_object_get(chains, "nftables"), i, item)
	{
		const json_t *chain = json_object_get(item, "chain");
		auto_free char *question = NULL;
		auto_json json_t *rules = NULL;

		if (!chain || strcmp(text(chain, "hook"), "forward") != 0 ||
		        is_ours(text(chain, "table")))
			continue;
		question = xasprintf("list chain %s %s %s", text(chain, "family"),
		        text(chain, "table"), text(chain, "name"));
		rules = ask(ctx, question);
		firewall_look(rules, say, (void *)(uintptr_t)link);
	}
	nft_ctx_output_set_flags(ctx, 0);
}
