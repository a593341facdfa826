/* SPDX-License-Identifier: MIT */
#include "name.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define HOSTNAME_MAX_LEN 64

static const char *const adjectives[] = {"able", "amber", "apt", "bold", "brave", "bright", "brisk",
        "calm", "clear", "clever", "cosy", "crisp", "deft", "eager", "early", "easy", "even",
        "fair", "fast", "fine", "fit", "fleet", "fond", "frank", "fresh", "gentle", "glad",
        "golden", "grand", "green", "happy", "hardy", "honest", "humble", "jolly", "keen", "kind",
        "lively", "lucid", "lucky", "mellow", "merry", "mild", "neat", "nimble", "noble", "patient",
        "plain", "polite", "proud", "quick", "quiet", "ready", "royal", "sharp", "silver", "smart",
        "snug", "sound", "steady", "sunny", "swift", "tidy", "warm"};

static const char *const nouns[] = {"acorn", "alder", "anchor", "ash", "aspen", "badger", "beacon",
        "beech", "birch", "bison", "brook", "canyon", "cedar", "cliff", "clover", "comet", "coral",
        "crane", "delta", "dune", "eagle", "elm", "ember", "falcon", "fern", "finch", "fjord",
        "fox", "glacier", "grove", "harbor", "hawk", "hazel", "heron", "island", "ivy", "juniper",
        "lagoon", "lark", "lynx", "maple", "marten", "meadow", "moss", "oak", "orchid", "otter",
        "owl", "pebble", "pine", "plover", "quartz", "raven", "reef", "ridge", "river", "robin",
        "rowan", "sparrow", "spruce", "thistle", "tulip", "walnut", "willow"};

static bool made_of_name_bytes(const char *s, size_t max)
{
	static const char set[] =
	        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
	size_t n = strlen(s);

	return n >= 1 && n <= max && *s != '-' && *s != '.' && strspn(s, set) == n;
}

bool name_valid(const char *s)
{
	return made_of_name_bytes(s, NAME_MAX_LEN);
}

bool name_valid_hostname(const char *s)
{
	return made_of_name_bytes(s, HOSTNAME_MAX_LEN);
}

void name_random(char *out, size_t size)
{
	unsigned char raw[2];

	if (getrandom(raw, sizeof raw, 0) != sizeof raw)
		abort();
	snprintf(out, size, "%s_%s", adjectives[raw[0] % (sizeof adjectives / sizeof *adjectives)],
	        nouns[raw[1] % (sizeof nouns / sizeof *nouns)]);
}
