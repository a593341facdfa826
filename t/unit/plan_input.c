/* SPDX-License-Identifier: MIT
 * Environment, machine, malformed options and hostile image configs. */
#include "envs.h"
#include "plan_case.h"

#define DEFAULTS                                                                 \
	"\"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\"," \
	"\"TERM=xterm\",\"container=fcvm\",\"HOSTNAME=web\""
#define ENV(...) "{\"Cmd\":[\"x\"],\"Env\":[" __VA_ARGS__ "]}"

static const struct plan_case env[] = {
        {"img", NULL, "process.env", "[" DEFAULTS "]"},
        {"-t|img", NULL, "process.env", "[" DEFAULTS "]"},
        {"-e|TERM=vt100|img", NULL, "process.env",
                "[\"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\","
                "\"TERM=vt100\",\"container=fcvm\",\"HOSTNAME=web\"]"},
        {"img", ENV("\"A=img\",\"B=2\",\"A=again\""), "process.env",
                "[" DEFAULTS ",\"A=again\",\"B=2\"]"},
        {"img", ENV("\"HOSTNAME=h\",\"PATH=/x\",\"container=c\""), "process.env",
                "[\"PATH=/x\",\"TERM=xterm\",\"container=c\",\"HOSTNAME=h\"]"},
        {"-h|db|img", NULL, "process.env",
                "[\"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\","
                "\"TERM=xterm\",\"container=fcvm\",\"HOSTNAME=db\"]"},
        {"-eA=flag|-e|A=last|img", ENV("\"A=img\""), "process.env", "[" DEFAULTS ",\"A=last\"]"},
        {"-e|AA|-e|NOPE|img", NULL, "process.env", "[" DEFAULTS ",\"AA=caller\"]"},
        {"-e|PRE*|img", NULL, "process.env", "[" DEFAULTS ",\"PREX=1\",\"PREY=2=3\"]"},
        {"-e|PRE*=1|img", NULL, "process.env", "[" DEFAULTS ",\"PRE*=1\"]"},
        {"-e|FCVM_*|img", NULL, "process.env", "[" DEFAULTS ",\"FCVM_X=mine\"]"},
        {"-e|E=|-e|C=D=E|img", NULL, "process.env", "[" DEFAULTS ",\"E=\",\"C=D=E\"]"},
        {"-e||-e| |-e| L=1|-e|A B=x|img", NULL, "process.env", "[" DEFAULTS ",\"L=1\",\"A B=x\"]"},
        {"-e|=secret|img", NULL, NULL, "--env: a variable without a name"},
        {"-e|X=\xff|img", NULL, NULL, "the variable X is not valid UTF-8"},
        {"--env-file|/nonexistent/file|img", NULL, NULL,
                "--env-file: cannot read /nonexistent/file"},
        /* Only the user may ask for the caller's variables, never the image. */
        {"img", ENV("\"AA\",\"PRE*\""), "process.env", "[" DEFAULTS "]"},
        {"img", ENV("\"=x\""), NULL, "image config: Env holds a variable without a name"},
};

static const struct plan_case machine[] = {
        {"--cpus|3|img", NULL, "machine.cpus", "3"},
        {"--cpus|3|img", NULL, "fcvm.cpuMilli", "0"},
        {"--cpu|1.5|img", NULL, "machine.cpus", "2"},
        {"--cpus|1.5|img", NULL, "fcvm.cpuMilli", "1500"},
        {"--cpus=.25|img", NULL, "machine.cpus", "1"},
        {"--cpus|0.001|img", NULL, NULL, "--cpus: at least 0.01 is needed"},
        {"-m|0|img", NULL, "machine.memory", "1073741824"},
        {"-m|1.5g|img", NULL, "machine.memory", "1610612736"},
        {"--memory=512.5m|img", NULL, "machine.memory", "537919488"},
        {"--cpus|129|img", NULL, NULL, "--cpus: more than 128"},
        {"--cpus|-1|img", NULL, NULL, "--cpus -1: not a number"},
        {"img", NULL, "machine.memory", "1073741824"},
        {"-m|512m|img", NULL, "machine.memory", "536870912"},
        {"--mem|2G|img", NULL, "machine.memory", "2147483648"},
        {"--memory=200000001|img", NULL, "machine.memory", "200278016"},
        {"-m|512|img", NULL, NULL, "did you mean 512m?"},
        {"-m|95m|img", NULL, NULL, "at least 96m"},
        {"-m|96m|img", NULL, "machine.memory", "100663296"},
        {"-m|17t|img", NULL, NULL, "--memory 18691697672192: more than 16t is not possible"},
        {"-m|99999999t|img", NULL, NULL, "the number is too large"},
        {"-m|foo|img", NULL, NULL, "-m foo: not a size such as 512m or 2g"},
        {"img", NULL, "machine.rootfsSize", "10737418240"},
        {"--rootfs-size|16m|img", NULL, "machine.rootfsSize", "16777216"},
        {"--rootfs-size|15m|img", NULL, NULL, "--rootfs-size 15728640: at least 16m"},
        {"--accel|auto|--hypervisor|auto|img", NULL, "machine.accel", "\"\""},
        {"--accel|tcg|img", NULL, "machine.accel", "\"tcg\""},
        {"--hypervisor|qemu|img", NULL, "machine.hypervisor", "\"qemu\""},
        {"--accel|kwm|img", NULL, NULL, "--accel kwm: did you mean kvm?"},
        {"--hypervisor|firecracker|img", NULL, "machine.hypervisor", "\"firecracker\""},
        {"--hypervisor|xen|img", NULL, NULL,
                "--hypervisor xen: not one that is known: see 'fcvm run --help'"},
        {"--pull|alwys|img", NULL, NULL, "--pull alwys: did you mean always?"},
        {"--pull|newer|--platform|linux/arm64|--no-snapshot|img", NULL, "image", "\"img\""},
};

static const struct plan_case wrong[] = {
        {"--memroy|1g|img", NULL, NULL, "unknown option --memroy: did you mean --memory?"},
        {"--xyzzy-plugh|img", NULL, NULL, "unknown option --xyzzy-plugh: see 'fcvm run --help'"},
        {"-Z|img", NULL, NULL, "unknown option -Z"},
        {"--name", NULL, NULL, "--name: needs NAME"},
        {"--init=perhaps|img", NULL, NULL, "--init=perhaps: takes true or false"},
        {"-i", NULL, NULL, "no image given"},
        {"", NULL, NULL, "'' is not an image name"},
        {"--|-x", NULL, NULL, "'-x' is not an image name"},
        {"-v|--help|img", NULL, NULL, "--volume '--help': not [SOURCE:]DIR"},
        {"-p|-x|img", NULL, NULL, "--publish '-x': not [[IP:]PORT:]PORT"},
        {"--network|-x|img", NULL, NULL,
                "--network -x: it is rootless, bridged, routed or none; a network of machines is "
                "--net-name -x"},
        {"img", "[]", NULL, "image config: config is not an object"},
        {"img", "{\"Cmd\":\"sh\"}", NULL, "image config: Cmd is not a list"},
        {"img", "{\"Cmd\":[\"a\",1]}", NULL,
                "image config: Cmd holds something that is not a string"},
        {"img", "{\"Env\":{}}", NULL, "image config: Env is not a list"},
        {"img", "{\"Env\":[null]}", NULL, "image config: Env holds something"},
        {"img", "{\"User\":7}", NULL, "image config: field 'User' is not a string"},
        {"img", "{\"User\":\"a\\nb\"}", NULL, "image config: User is not a user"},
        {"img", "{\"Volumes\":[]}", NULL, "image config: Volumes is not an object"},
        {"img", "{\"Cmd\":[\"a\\u0000b\"]}", NULL, "not JSON"},
};

static void foreign_system(void)
{
	static const char text[] = "{\"os\":\"windows\",\"config\":{\"Cmd\":[\"x\"]}}";
	struct err e = {0};
	auto_json json_t *config = json_parse(text, strlen(text), "test", &e);
	struct plan_image im;

	is_int(plan_image_read(config, &im, &e), -1, "an image for another system is refused");
	is_str(e.text, "the image is for windows, not for Linux", "and why is said");
}

/* {"HEAD": [ITEM, ITEM, …]} with that many items. */
static void many(const char *head, const char *item, size_t n, size_t nest, const char *want)
{
	size_t len = strlen(item), size = 64 + (len + 1) * n + 2 * nest;
	auto_free char *text = xcalloc(1, size);
	struct plan_case c = {"img", text, NULL, want};
	char *p = text + sprintf(text, "{\"%s\":[", head);

	memset(p, '[', nest);
	p += nest;
	for (size_t i = 0; i < n; i++) {
		if (i)
			*p++ = ',';
		memcpy(p, item, len);
		p += len;
	}
	memset(p, ']', nest);
	memcpy(p + nest, "]}", 2);
	plan_case_run(&c);
}

static void hostile_sizes(void)
{
	auto_free char *word = xcalloc(1, PLAN_WORD_MAX + 4);

	many("Env", "\"A\"", 1000000, 0, "no command or entrypoint provided");
	many("Env", "\"A=1\"", 1000000, 0, "larger than");
	many("Cmd", "\"a\"", 1000000, 0, "command and environment take more than 1048576 bytes");
	many("Cmd", "\"a\"", 1, 100000, "not JSON");
	many("Cmd", "1", 1, 1000, "Cmd holds something that is not a string");
	memset(word, 'x', PLAN_WORD_MAX + 3);
	word[0] = word[PLAN_WORD_MAX + 2] = '"';
	many("Cmd", word, 1, 0, "a word of the command is longer than 131071 bytes");
}

/* As many CPUs as without the option, whatever this host has. */
static void no_limit(void)
{
	static const struct plan_case c[] = {
	        {"img", NULL, NULL, NULL}, {"--cpus|0|img", NULL, NULL, NULL}};
	struct err e = {0};
	auto_json json_t *without = plan_case_make(&c[0], &e), *zero = plan_case_make(&c[1], &e);

	ok(zero && json_equal(without, zero), "--cpus 0 is the default: %s", e.text);
}

static void env_lines(void)
{
	static char *caller[] = {(char *)"AA=caller", NULL};
	auto_json json_t *vars = json_object();
	auto_free char *got = NULL;
	struct err e = {0};
	char good[] = "# note\n\nA=1\n B= x \n\tC=\"q\"\r\nAA\nNOPE\nD\nA=2\n  # note\nE==";
	char bad[] = "A=1\n\n=secret\n";

	is_int(envs_lines(vars, good, "f", caller, &e), 0, "a file with comments is read");
	got = json_dumps(vars, JSON_COMPACT);
	is_str(got, "{\"A\":\"2\",\"B\":\" x \",\"C\":\"\\\"q\\\"\",\"AA\":\"caller\",\"E\":\"=\"}",
	        "values stay as they are, the last one wins");
	is_int(envs_lines(vars, bad, "f", caller, &e), -1, "a nameless variable is refused");
	is_str(e.text, "f: line 3: a variable without a name", "by its line, without the value");
}

int main(void)
{
	PLAN_CASES(env);
	PLAN_CASES(machine);
	PLAN_CASES(wrong);
	foreign_system();
	hostile_sizes();
	env_lines();
	no_limit();
	return done();
}
