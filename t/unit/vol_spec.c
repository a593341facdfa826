/* SPDX-License-Identifier: MIT
 * What stands after --volume. */
#include "tap.h"
#include "status.h"
#include "vol_spec.h"

#include <stdio.h>
#include <string.h>

/* The spec as text: SOURCE or name, target, "ro", cache, the guest's options. */
static void reads(const char *text, const char *want)
{
	static const char *const caches[] = {"auto", "none", "always"};
	struct vol_spec v;
	struct err e = {0};
	char got[1024];

	if (vol_spec_parse(&v, text, &e) < 0) {
		snprintf(got, sizeof got, "%s", e.text);
	} else {
		snprintf(got, sizeof got, "%s%s %s%s %s", v.name ? "@" : "",
		        v.name ? v.name : v.source, v.target, v.readonly ? " ro" : "",
		        caches[v.cache]);
		for (size_t i = 0; i < v.options.n; i++)
			snprintf(
			        got + strlen(got), sizeof got - strlen(got), " %s", v.options.v[i]);
	}
	is_str(got, want, "%s", text);
	vol_spec_free(&v);
}

static void refuses(const char *text, const char *part)
{
	struct vol_spec v;
	struct err e = {0};
	int r = vol_spec_parse(&v, text, &e);

	ok(r < 0 && e.status == FCVM_EX_USAGE && strstr(e.text, part), "'%.60s': %s", text, e.text);
	vol_spec_free(&v);
}

static void idmaps(void)
{
	struct vol_spec v;
	struct err e = {0};

	is_int(vol_spec_parse(&v, "/a:/b:idmap=uids=1000-0-1#5000-1-100;gids=100-0-1", &e), 0,
	        "idmap is taken");
	is_int(v.maps.n_uids, 2, "two ranges of users");
	is_int(v.maps.uids[0].outside, 1000, "the host's id comes first");
	is_int(v.maps.uids[0].inside, 0, "then the container's");
	is_int(v.maps.uids[1].count, 100, "then how many");
	is_int(v.maps.n_gids, 1, "one range of groups");
	vol_spec_free(&v);
	refuses("/a:/b:idmap=uids=0-0-1", "gids=");
	refuses("/a:/b:idmap=uids=0-0-0;gids=0-0-1", "uids=FROM-TO-COUNT");
	refuses("/a:/b:idmap=uids=0-0-10#5-20-1;gids=0-0-1", "uids=FROM-TO-COUNT");
	refuses("/a:/b:idmap=uids=0-4294967290-10;gids=0-0-1", "uids=FROM-TO-COUNT");
	refuses("/a:/b:idmap=uids=99999999999999999999-0-1;gids=0-0-1", "uids=FROM-TO-COUNT");
	refuses("/a:/b:idmap=uids=0-0-1x;gids=0-0-1", "uids=FROM-TO-COUNT");
}

static void sorting(void)
{
	static const char *const words[] = {"/s:/a/b/c", "/s:/b", "/s:/a", "x:/a/b"};
	static const char *const want[] = {"/a", "/b", "/a/b", "/a/b/c"};
	struct vol_spec v[4];
	struct err e = {0};

	for (int i = 0; i < 4; i++)
		vol_spec_parse(&v[i], words[i], &e);
	is_int(vol_specs_sort(v, 4, &e), 0, "sorts");
	for (int i = 0; i < 4; i++)
		is_str(v[i].target, want[i], "parents come first");
	for (int i = 0; i < 4; i++)
		vol_spec_free(&v[i]);
	vol_spec_parse(&v[0], "/a:/x/./y/", &e);
	vol_spec_parse(&v[1], "/b:/x//y", &e);
	ok(vol_specs_sort(v, 2, &e) < 0 && strstr(e.text, "/x/y"), "one place twice: %s", e.text);
	vol_spec_free(&v[0]);
	vol_spec_free(&v[1]);
}

int main(void)
{
	reads("/a:/b", "/a /b auto");
	reads("./a:/b/:ro", "./a /b ro auto");
	reads("data:/b", "@data /b auto");
	reads("/b", "@ /b auto");
	reads(":/b:ro", "@ /b ro auto");
	reads("/a:/b:ro,rw,noexec,nodev,cache=none", "/a /b none noexec nodev");
	reads("/a:/b:z,Z,rprivate,bind,rbind,exec,cache=always,nosuid", "/a /b always nosuid");
	reads("/a:/b:", "/a /b auto");
	refuses("", "[SOURCE:]DIR");
	refuses("/a:", "[SOURCE:]DIR");
	refuses("/a:/b:ro:x", "[SOURCE:]DIR");
	refuses("/a:b", "'b' is not an absolute path");
	refuses("/a:/", "root");
	refuses("/a:/./", "root");
	refuses("/a:/proc", "/proc");
	refuses("/a:/sys/fs", "/sys");
	refuses("/a:/dev//shm", "/dev");
	refuses("/a:/b/../c", "..");
	refuses("/a:/b:wibble", "'wibble'");
	refuses("/a:/b:U", "option U");
	refuses("/a:/b:O", "option O");
	refuses("/a:/b:cache=maybe", "auto, none or always");
	refuses("a b:/b", "neither a path nor the name");
	refuses("-x:/b", "neither a path nor the name");
	reads("/a:/device", "/a /device auto");
	idmaps();
	sorting();
	return done();
}
