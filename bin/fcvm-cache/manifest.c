/* SPDX-License-Identifier: MIT */
#include "manifest.h"
#include "ftree.h"
#include "sha256.h"
#include "status.h"
#include "strv.h"

#include <stdlib.h>
#include <string.h>

static int among(const char *s, const char *const *list)
{
	for (; *list; list++)
		if (!strcmp(s, *list))
			return 1;
	return 0;
}

int manifest_blob(const json_t *d, const char *what, struct manifest_blob *out, struct err *e)
{
	const json_t *size = json_object_get(d, "size");

	if (json_get_str(d, "digest", &out->digest, e) < 0)
		return err_prefix(e, "%s", what);
	if (!out->digest || !digest_hex(out->digest))
		return err_set(e, FCVM_EX_DATA, "%s: '%s' is not a sha256 digest", what,
		        out->digest ? out->digest : "");
	if (!json_is_integer(size) || json_integer_value(size) < 0)
		return err_set(e, FCVM_EX_DATA, "%s: %s has no size", what, out->digest);
	out->size = (uint64_t)json_integer_value(size);
	return 0;
}

static int layer_type(
        const json_t *d, const struct manifest_blob *b, const char *what, struct err *e)
{
	static const char *const known[] = {
	        "application/vnd.oci.image.layer.v1.tar",
	        "application/vnd.oci.image.layer.v1.tar+gzip",
	        "application/vnd.oci.image.layer.v1.tar+zstd",
	        "application/vnd.docker.image.rootfs.diff.tar",
	        "application/vnd.docker.image.rootfs.diff.tar.gzip",
	        "application/vnd.docker.image.rootfs.diff.tar.zstd",
	        NULL,
	};
	const char *type;

	if (json_get_str(d, "mediaType", &type, e) < 0)
		return err_prefix(e, "%s", what);
	if (type && among(type, known))
		return 0;
	if (type && (strstr(type, "foreign") || strstr(type, "nondistributable")))
		return err_set(e, FCVM_EX_DATA,
		        "%s: layer %s is not distributed with the image (media type %s)", what,
		        b->digest, type);
	return err_set(e, FCVM_EX_DATA, "%s: layer %s has media type '%s', which is not supported",
	        what, b->digest, type ? type : "");
}

static int config_type(const json_t *d, const char *what, struct err *e)
{
	static const char *const known[] = {
	        "application/vnd.oci.image.config.v1+json",
	        "application/vnd.docker.container.image.v1+json",
	        NULL,
	};
	const char *type;

	if (json_get_str(d, "mediaType", &type, e) < 0)
		return err_prefix(e, "%s", what);
	if (type && among(type, known))
		return 0;
	return err_set(
	        e, FCVM_EX_DATA, "%s: not a container image but '%s'", what, type ? type : "");
}

static int parse_image(struct manifest *m, const char *what, struct err *e)
{
	const json_t *config = json_object_get(m->doc, "config");
	const json_t *layers = json_object_get(m->doc, "layers"), *d;
	size_t i;

	if (manifest_blob(config, what, &m->config, e) < 0 || config_type(config, what, e) < 0)
		return -1;
	m->n = json_array_size(layers);
	if (m->n > FTREE_LAYERS_MAX)
		return err_set(e, FCVM_EX_DATA, "%s: more than %d layers", what, FTREE_LAYERS_MAX);
	m->layers = xcalloc(m->n + 1, sizeof *m->layers);
	json_array_foreach(layers, i, d)
	{
		if (manifest_blob(d, what, &m->layers[i], e) < 0 ||
		        layer_type(d, &m->layers[i], what, e) < 0)
			return -1;
		if (__builtin_add_overflow(m->total, m->layers[i].size, &m->total))
			return err_set(e, FCVM_EX_DATA, "%s: impossible layer sizes", what);
	}
	return 0;
}

int manifest_parse(struct manifest *m, const char *text, size_t n, const char *what, struct err *e)
{
	const json_t *version;

	*m = (struct manifest){.doc = json_parse(text, n, what, e)};
	if (!m->doc)
		return -1;
	version = json_object_get(m->doc, "schemaVersion");
	if (json_is_integer(version) && json_integer_value(version) == 1)
		return err_set(e, FCVM_EX_DATA,
		        "%s: Docker schema 1 is not supported: push the image again with a current "
		        "tool",
		        what);
	m->index = json_is_array(json_object_get(m->doc, "manifests"));
	if (m->index)
		return 0;
	if (!json_is_object(json_object_get(m->doc, "config")) ||
	        !json_is_array(json_object_get(m->doc, "layers")))
		return err_set(e, FCVM_EX_DATA, "%s: neither an image manifest nor an index", what);
	return parse_image(m, what, e);
}

void manifest_free(struct manifest *m)
{
	json_decref(m->doc);
	free(m->layers);
	*m = (struct manifest){0};
}

int manifest_choose(const struct manifest *m, const struct platform *p, struct manifest_blob *out,
        struct err *e)
{
	const json_t *list = json_object_get(m->doc, "manifests"), *d, *best = NULL;
	int rank = 0;
	char text[100];
	size_t i;

	json_array_foreach(list, i, d)
	{
		int r = platform_suits(p, json_object_get(d, "platform"));

		if (r > rank) {
			rank = r;
			best = d;
		}
	}
	if (!best) {
		platform_text(p, text);
		return err_set(
		        e, FCVM_EX_NOTFOUND, "the image has no variant for platform %s", text);
	}
	return manifest_blob(best, "index", out, e);
}

int manifest_config(const struct manifest *m, const char *text, size_t n, json_t **config,
        const char ***diff_ids, struct err *e)
{
	const json_t *ids, *id;
	size_t i;
	char hex[SHA256_HEX];

	sha256_hex(text, n, hex);
	if (strcmp(hex, digest_hex(m->config.digest)) != 0)
		return err_set(e, FCVM_EX_DATA,
		        "image config %s does not match: the content has sha256:%s",
		        m->config.digest, hex);
	*config = json_parse(text, n, "image config", e);
	if (!*config)
		return -1;
	ids = json_object_get(json_object_get(*config, "rootfs"), "diff_ids");
	if (json_array_size(ids) != m->n)
		return err_set(e, FCVM_EX_DATA,
		        "image config %s lists %zu layers, the manifest %zu", m->config.digest,
		        json_array_size(ids), m->n);
	*diff_ids = xcalloc(m->n + 1, sizeof **diff_ids);
	json_array_foreach(ids, i, id)
	{
		(*diff_ids)[i] = json_string_value(id);
		if (!(*diff_ids)[i] || !digest_hex((*diff_ids)[i])) {
			free(*diff_ids);
			*diff_ids = NULL;
			return err_set(e, FCVM_EX_DATA, "image config %s: malformed diff_ids",
			        m->config.digest);
		}
	}
	return 0;
}
