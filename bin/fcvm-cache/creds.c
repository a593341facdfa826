/* SPDX-License-Identifier: MIT */
#include "creds.h"
#include "cleanup.h"
#include "json.h"
#include "status.h"
#include "strv.h"
#include "xio.h"

#include <fcntl.h>
#include <nettle/base64.h>
#include <string.h>

#define CREDS_MAX 4096

static int read_creds(const char *file, char out[CREDS_MAX], struct err *e)
{
	bool std = !strcmp(file, "-");
	auto_fd int fd = std ? -1 : open(file, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (!std && fd < 0)
		return err_sys(e, "cannot read --creds-file '%s'", file);
	n = read_full(std ? STDIN_FILENO : fd, out, CREDS_MAX - 1);
	if (n < 0) {
		errno = (int)-n;
		return err_sys(e, "cannot read --creds-file '%s'", file);
	}
	out[n] = 0;
	out[strcspn(out, "\r\n")] = 0;
	if (!strchr(out, ':') || n == CREDS_MAX - 1)
		return err_set(e, FCVM_EX_USAGE,
		        "--creds-file '%s': its first line is not of the form user:password", file);
	return 0;
}

char *creds_authfile(const char *file, const char *name, const char *dir, struct err *e)
{
	char text[CREDS_MAX], code[CREDS_MAX * 2];
	auto_free char *host = strndup(name, strcspn(name, "/"));
	auto_free char *path = xasprintf("%s/auth.json", dir);
	auto_json json_t *doc = NULL;
	size_t size;
	int r;

	if (!host || !*host) {
		err_set(e, FCVM_EX_USAGE, "--creds-file is for images from a registry");
		return NULL;
	}
	if (read_creds(file, text, e) < 0)
		return NULL;
	size = strlen(text);
	base64_encode_raw(code, size, (const uint8_t *)text);
	code[BASE64_ENCODE_RAW_LENGTH(size)] = 0;
	explicit_bzero(text, sizeof text);
	doc = json_pack("{s:{s:{s:s}}}", "auths", host, "auth", code);
	explicit_bzero(code, sizeof code);
	r = doc ? json_save_at(AT_FDCWD, path, doc, 0600) : -ENOMEM;
	if (r == 0)
		return steal_ptr(path);
	errno = -r;
	err_sys(e, "cannot write %s", path);
	return NULL;
}
