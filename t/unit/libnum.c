/* SPDX-License-Identifier: MIT */
#include "num.h"
#include "tap.h"

#include <errno.h>
#include <signal.h>

static void whole_numbers(void)
{
	static const char *const bad[] = {"", " 1", "1 ", "+1", "-1", "0x10", "1e3", "1\n", "x"};
	uint64_t v = 77;

	is_int(num_u64("0", 0, 9, &v), 0, "zero is a number");
	is_int(v, 0, "and is stored");
	is_int(num_u64("007", 0, 9, &v), 0, "leading zeros are taken");
	is_int(v, 7, "as decimal, not octal");
	is_int(num_u64("18446744073709551615", 0, UINT64_MAX, &v), 0, "the greatest number");
	ok(v == UINT64_MAX, "is stored whole");
	v = 77;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		is_int(num_u64(bad[i], 0, UINT64_MAX, &v), -EINVAL, "\"%s\" is no number", bad[i]);
	is_int(num_u64("18446744073709551616", 0, UINT64_MAX, &v), -ERANGE, "overflow by one");
	is_int(num_u64("99999999999999999999999", 0, UINT64_MAX, &v), -ERANGE, "far overflow");
	is_int(num_u64("4", 5, 9, &v), -ERANGE, "below the least");
	is_int(num_u64("10", 5, 9, &v), -ERANGE, "above the greatest");
	is_int(v, 77, "a refused number leaves the target alone");
	is_int(num_u64("5", 5, 9, &v) || num_u64("9", 5, 9, &v), 0, "both limits are inside");
}

static void sizes(void)
{
	static const struct {
		const char *text;
		uint64_t value;
	} good[] = {{"0", 0}, {"1", 1}, {"17b", 17}, {"2k", 2048}, {"2K", 2048}, {"2kb", 2048},
	        {"2KiB", 2048}, {"512m", 512ULL << 20}, {"1g", 1ULL << 30}, {"3GiB", 3ULL << 30},
	        {"2t", 2ULL << 40}, {"16777215t", 16777215ULL << 40}, {"1.5g", 3ULL << 29},
	        {"512.5m", 1025ULL << 19}, {".5k", 512}, {"1.5", 1}, {"0.9999k", 1023},
	        {"1.99999999999999999999999999999999k", 2047}, {"0.1t", 109951162777}};
	static const char *const bad[] = {"", "k", "1kk", "1 k", "1.g", "1.5.5g", "1,5g", ".", ".g",
	        "-1k", "1bb", "1p", "1ib"};
	uint64_t v = 77;

	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		is_int(num_size(good[i].text, 0, UINT64_MAX, &v), 0, "%s is a size", good[i].text);
		ok(v == good[i].value, "%s has the right value", good[i].text);
	}
	v = 77;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		is_int(num_size(bad[i], 0, UINT64_MAX, &v), -EINVAL, "\"%s\" is no size", bad[i]);
	is_int(num_size("16777216t", 0, UINT64_MAX, &v), -ERANGE, "a shift does not overflow");
	is_int(num_size("1k", 0, 1023, &v), -ERANGE, "limits are in bytes");
	is_int(v, 77, "a refused size leaves the target alone");
}

static void cpus(void)
{
	static const struct {
		const char *text;
		uint64_t value;
	} good[] = {{"2", 2000}, {"1.5", 1500}, {".5", 500}, {"0.25", 250}, {"0.125", 125},
	        {"3.14159", 3141}, {"0", 0}};
	static const char *const bad[] = {"", ".", "1.", "1.x", "-1", "1,5", "1.5.5", "1e1"};
	uint64_t v = 77;

	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		is_int(num_milli(good[i].text, 0, 9999, &v), 0, "%s CPUs", good[i].text);
		is_int(v, good[i].value, "%s CPUs in thousandths", good[i].text);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		is_int(num_milli(bad[i], 0, 9999, &v), -EINVAL, "\"%s\" is no CPU count", bad[i]);
	is_int(num_milli("18446744073709551615", 0, UINT64_MAX, &v), -ERANGE, "no overflow");
	is_int(num_milli("10", 0, 9999, &v), -ERANGE, "limits are in thousandths");
}

static void signals(void)
{
	is_int(num_signal("TERM"), SIGTERM, "a name");
	is_int(num_signal("SIGTERM"), SIGTERM, "a name with SIG");
	is_int(num_signal("sigkill"), SIGKILL, "case does not matter");
	is_int(num_signal("9"), 9, "a number");
	is_int(num_signal("64"), 64, "the last number");
	is_int(num_signal("RTMIN+3"), 37, "a real-time signal, as podman counts");
	is_int(num_signal("SIGRTMIN"), 34, "the first real-time signal");
	is_int(num_signal("RTMAX"), 64, "the last real-time signal");
	is_int(num_signal("SIGRTMAX-1"), 63, "counted from the last");
	is_int(num_signal("rtmax-30"), 34, "down to the first");
	is_int(num_signal("RTMAX-31"), -EINVAL, "not before the first");
	is_int(num_signal("RTMAX+1"), -EINVAL, "not beyond the last");
	is_int(num_signal("SIGIO"), SIGIO, "IO");
	is_int(num_signal("POLL"), SIGIO, "is POLL");
	is_int(num_signal("IOT"), SIGABRT, "IOT is ABRT");
	is_int(num_signal("CLD"), SIGCHLD, "CLD is CHLD");
	is_int(num_signal("0"), -EINVAL, "0 is no signal");
	is_int(num_signal("65"), -EINVAL, "65 is no signal");
	is_int(num_signal("RTMIN+31"), -EINVAL, "beyond the last real-time signal");
	is_int(num_signal("RTMIN-1"), -EINVAL, "before the first real-time signal");
	is_int(num_signal("9x"), -EINVAL, "a number with more behind it");
	is_int(num_signal("SIG"), -EINVAL, "an empty name after SIG");
	is_int(num_signal(""), -EINVAL, "an empty name");
	is_int(num_signal("NOPE"), -EINVAL, "an unknown name");
}

int main(void)
{
	whole_numbers();
	sizes();
	cpus();
	signals();
	return done();
}
