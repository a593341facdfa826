/* SPDX-License-Identifier: MIT
 * Capabilities, limits, mounts and masked paths: what podman 4.3 puts into config.json is expected,
 * unless the message shows that fcvm refuses more.
 */
#include "plan_case.h"

#define STANDARD                                                                                  \
	"\"CAP_CHOWN\",\"CAP_DAC_OVERRIDE\",\"CAP_FOWNER\",\"CAP_FSETID\",\"CAP_KILL\","          \
	"\"CAP_NET_BIND_SERVICE\",\"CAP_SETFCAP\",\"CAP_SETGID\",\"CAP_SETPCAP\",\"CAP_SETUID\"," \
	"\"CAP_SYS_CHROOT\""
#define AS_WEB "{\"Cmd\":[\"x\"],\"User\":\"web\"}"

static const struct plan_case caps[] = {
        {"img", NULL, "process.capabilities.bounding", "[" STANDARD "]"},
        {"img", NULL, "process.capabilities.effective", "[" STANDARD "]"},
        {"img", NULL, "process.capabilities.permitted", "[" STANDARD "]"},
        {"img", NULL, "process.capabilities.inheritable", "[]"},
        {"img", NULL, "process.capabilities.ambient", "[]"},
        {"-u|1000|img", NULL, "process.capabilities.bounding", "[" STANDARD "]"},
        {"-u|1000|img", NULL, "process.capabilities.effective", "[]"},
        {"-u|1000|img", NULL, "process.capabilities.permitted", "[]"},
        {"img", AS_WEB, "process.capabilities.effective", "[]"},
        {"-u|0|img", AS_WEB, "process.capabilities.effective", "[" STANDARD "]"},
        {"-u|root:1|img", AS_WEB, "process.capabilities.effective", "[" STANDARD "]"},
        {"--cap-add|net_admin|img", AS_WEB, "process.capabilities.effective",
                "[\"CAP_NET_ADMIN\"]"},
        {"--cap-add|net_admin|img", AS_WEB, "process.capabilities.permitted",
                "[\"CAP_NET_ADMIN\"]"},
        {"--cap-add|net_admin|img", AS_WEB, "process.capabilities.inheritable",
                "[\"CAP_NET_ADMIN\"]"},
        {"--cap-add|net_admin|img", AS_WEB, "process.capabilities.ambient", "[\"CAP_NET_ADMIN\"]"},
        {"--cap-drop|ALL|--cap-add|CHOWN|img", NULL, "process.capabilities.bounding",
                "[\"CAP_CHOWN\"]"},
        {"--cap-drop|ALL|--cap-add|CAP_CHOWN|img", AS_WEB, "process.capabilities.ambient",
                "[\"CAP_CHOWN\"]"},
        {"--cap-drop|all|img", NULL, "process.capabilities.bounding", "[]"},
        {"--cap-drop|chown,setuid,Setgid,CAP_KILL,fowner,fsetid,setfcap|img", NULL,
                "process.capabilities.effective",
                "[\"CAP_DAC_OVERRIDE\",\"CAP_NET_BIND_SERVICE\",\"CAP_SETPCAP\",\"CAP_SYS_"
                "CHROOT\"]"},
        {"--cap-drop|ALL|--cap-add|NET_ADMIN,SYS_TIME|img", NULL, "process.capabilities.bounding",
                "[\"CAP_NET_ADMIN\",\"CAP_SYS_TIME\"]"},
        {"--privileged|-u|web|img", NULL, "process.capabilities.effective", "[]"},
        {"--privileged|-u|web|--cap-add|CHOWN|img", NULL, "process.capabilities.ambient",
                "[\"CAP_CHOWN\"]"},
        {"--cap-add||--cap-drop=|img", NULL, "process.capabilities.bounding", "[" STANDARD "]"},
        {"--cap-add|,|img", NULL, NULL, "--cap-add : unknown capability"},
        {"--cap-add|foo|img", NULL, NULL, "--cap-add foo: unknown capability"},
        {"--cap-drop|net_admn|img", NULL, NULL, "did you mean NET_ADMIN?"},
        {"--cap-add|chown|--cap-drop|CHOWN|img", NULL, NULL, "CAP_CHOWN is both added and dropped"},
        {"--cap-add|all|--cap-drop|ALL|img", NULL, NULL, "exclude each other"},
};

#define PAIR(t, s, h) "{\"hard\":" h ",\"soft\":" s ",\"type\":\"RLIMIT_" t "\"}"
#define BASE          PAIR("NOFILE", "1048576", "1048576") "," PAIR("NPROC", "1048576", "1048576")

static const struct plan_case limits[] = {
        {"img", NULL, "process.rlimits", "[" BASE "]"},
        {"--ulimit|core=0|img", NULL, "process.rlimits", "[" BASE "," PAIR("CORE", "0", "0") "]"},
        {"--ulimit|nofile=10|--ulimit|nofile=20:30|img", NULL, "process.rlimits",
                "[" PAIR("NOFILE", "20", "30") "," PAIR("NPROC", "1048576", "1048576") "]"},
        {"--ulimit|cpu=5:-1,core=unlimited|img", NULL, "process.rlimits",
                "[" BASE "," PAIR("CPU", "5", "-1") "," PAIR("CORE", "-1", "-1") "]"},
        {"--ulimit|nofile=30:20|img", NULL, NULL, "the soft limit is above the hard limit"},
        {"--ulimit|nofile=-1:5|img", NULL, NULL, "the soft limit is above the hard limit"},
        {"--ulimit|foo=1|img", NULL, NULL, "--ulimit foo=1: no such limit"},
        {"--ulimit|nofiles=1|img", NULL, NULL, "did you mean nofile?"},
        {"--ulimit|NOFILE=1|img", NULL, NULL, "no such limit"},
        {"--ulimit|nofile|img", NULL, NULL, "--ulimit nofile: not NAME=SOFT[:HARD]"},
        {"--ulimit|nofile=|img", NULL, NULL, "not NAME=SOFT[:HARD] with numbers"},
        {"--ulimit|nofile=1:2:3|img", NULL, NULL, "not NAME=SOFT[:HARD] with numbers"},
        {"--ulimit|nofile=-2|img", NULL, NULL, "not NAME=SOFT[:HARD] with numbers"},
        {"--ulimit|host|img", NULL, NULL, "does not share the host's limits"},
};

#define TMPFS(at, options)                                  \
	"{\"destination\":\"" at "\",\"options\":[" options \
	"],\"source\":\"tmpfs\",\"type\":\"tmpfs\"}"
#define NORMAL    "\"rprivate\",\"nosuid\",\"nodev\",\"tmpcopyup\""
#define PLAIN(at) TMPFS(at, "\"rw\"," NORMAL)

static const struct plan_case mounts[] = {
        {"img", NULL, "mounts", "[]"},
        {"--tmpfs|/tmp|img", NULL, "mounts", "[" PLAIN("/tmp") "]"},
        {"--tmpfs|/a//./c/../b/|img", NULL, "mounts", "[" PLAIN("/a/b") "]"},
        {"--tmpfs|/tmp:size=64m,mode=1777,exec,ro|img", NULL, "mounts",
                "[" TMPFS("/tmp", "\"size=64m\",\"mode=1777\",\"exec\",\"ro\"," NORMAL) "]"},
        {"--tmpfs|/a:notmpcopyup,dev,suid,noexec,private|img", NULL, "mounts",
                "[" TMPFS("/a", "\"dev\",\"suid\",\"noexec\",\"rw\",\"rprivate\"") "]"},
        {"--tmpfs|/a:shared|--tmpfs|/b:rslave|--tmpfs|/c:unbindable|img", NULL, "mounts",
                "[" PLAIN("/a") "," PLAIN("/b") "," PLAIN("/c") "]"},
        {"--tmpfs|/a:shared,private|img", NULL, NULL, "'private' repeats or contradicts"},
        {"--tmpfs|/a/b|--tmpfs|/c|--tmpfs|/a|img", NULL, "mounts",
                "[" PLAIN("/c") "," PLAIN("/a") "," PLAIN("/a/b") "]"},
        {"--tmpfs|tmp|img", NULL, NULL, "the directory must be an absolute path"},
        {"--tmpfs||img", NULL, NULL, "the directory must be an absolute path"},
        {"--tmpfs|/|img", NULL, NULL, "the container needs its own /"},
        {"--tmpfs|/x/../proc|img", NULL, NULL, "the container needs its own /proc"},
        {"--tmpfs|/a:ro|--tmpfs|/a/:size=1m|img", NULL, "mounts",
                "[" TMPFS("/a", "\"size=1m\",\"rw\"," NORMAL) "]"},
        {"--tmpfs|/a:foo|img", NULL, NULL, "'foo' is not a known option"},
        {"--tmpfs|/a:|img", NULL, NULL, "'' is not a known option"},
        {"--tmpfs|/a:size=zz|img", NULL, NULL, "'size=zz' is not a known option"},
        {"--tmpfs|/a:mode=999|img", NULL, NULL, "'mode=999' is not a known option"},
        {"--tmpfs|/a:size=50%|img", NULL, "mounts",
                "[" TMPFS("/a", "\"size=50%\",\"rw\"," NORMAL) "]"},
        {"--tmpfs|/a:ro,rw|img", NULL, NULL, "'rw' repeats or contradicts"},
        {"--tmpfs|/a:size=1m,size=2m|img", NULL, NULL, "'size=2m' repeats or contradicts"},
        {"img", NULL, "root.readonly", "false"},
        {"--read-only|img", NULL, "root.readonly", "true"},
        {"--read-only=false|img", NULL, "mounts", "[]"},
        {"--read-only|img", NULL, "mounts",
                "[" PLAIN("/tmp") "," PLAIN("/run") "," PLAIN("/var/tmp") "]"},
        {"--read-only|--tmpfs|/tmp:size=1m|img", NULL, "mounts",
                "[" TMPFS("/tmp", "\"size=1m\",\"rw\"," NORMAL) "," PLAIN("/run") "," PLAIN(
                        "/var/tmp") "]"},
        {"--read-only|-v|/x:/run/|--map|/y:/var/tmp:ro|img", NULL, "mounts", "[" PLAIN("/tmp") "]"},
        {"--read-only|--image-volume|tmpfs|img", "{\"Cmd\":[\"x\"],\"Volumes\":{\"/data\":{}}}",
                "mounts",
                "[" PLAIN("/tmp") "," PLAIN("/run") "," PLAIN("/data") "," PLAIN("/var/tmp") "]"},
        {"--read-only|img", "{\"Cmd\":[\"x\"],\"Volumes\":{\"/data\":{}}}", "mounts",
                "[" PLAIN("/tmp") "," PLAIN("/run") "," PLAIN("/var/tmp") "]"},
        {"img", "{\"Cmd\":[\"x\"],\"Volumes\":{\"/data\":{},\"/b/../c/\":{}}}", "volumes",
                "[\"/data\",\"/c\"]"},
        {"-v|/x:/data|--tmpfs|/c|img",
                "{\"Cmd\":[\"x\"],\"Volumes\":{\"/data\":{},\"/c\":{},\"/d\":{}}}", "volumes",
                "[\"/d\"]"},
        {"--image-volume|ignore|img", "{\"Cmd\":[\"x\"],\"Volumes\":{\"/data\":{}}}", "volumes",
                "[]"},
        {"--image-volume|tmpfs|img", "{\"Cmd\":[\"x\"],\"Volumes\":{\"/data\":{}}}", "volumes",
                "[]"},
        {"--image-volume|mmap|img", NULL, NULL, "mmap"},
        {"--tmpfs|/a|-v|/x:/a/|img", NULL, NULL, "both a volume and a tmpfs are to be at /a"},
        {"--mount|type=tmpfs,dst=/a,tmpfs-size=1m|img", NULL, "mounts",
                "[" TMPFS("/a", "\"size=1m\",\"rw\"," NORMAL) "]"},
        {"--mount|type=tmpfs,src=/b,dst=/a|img", NULL, NULL, "a tmpfs has no source"},
        {"--mount|type=bind,dst=/a|img", NULL, NULL, "source= is missing"},
        {"--mount|type=bind,src=data,dst=/a|img", NULL, NULL, "begins with / or ."},
        {"--mount|src=/data,dst=/a|img", NULL, NULL, "the name of a volume"},
        {"--mount|type=bind,src=/a:b,dst=/a|img", NULL, NULL, "no colon"},
        {"--mount|type=bind,src=/a,src=/b,dst=/a|img", NULL, NULL, "a second src"},
        {"--mount|type=npipe,dst=/a|img", NULL, NULL, "the type is bind, volume or tmpfs"},
        {"--mount|type=bind,src=/a,dst=/b,ro=perhaps|img", NULL, NULL, "neither true nor false"},
        {"img", "{\"Cmd\":[\"x\"],\"Volumes\":{\"data\":{}}}", NULL,
                "the volume 'data' is not a directory"},
        {"--read-only|--image-volume|tmpfs|img",
                "{\"Cmd\":[\"x\"],\"Volumes\":{\"/proc\":{},\"/x/../sys/a\":{},\"/dev/b\":{},"
                "\"/device\":{}}}",
                "mounts",
                "[" PLAIN("/tmp") "," PLAIN("/run") "," PLAIN("/device") "," PLAIN("/var/tmp") "]"},
        {"--read-only|img", "{\"Cmd\":[\"x\"],\"Volumes\":{\"/\":{}}}", NULL,
                "the volume '/' is not a directory"},
        {"img", NULL, "linux.readonlyPaths",
                "[\"/proc/asound\",\"/proc/bus\",\"/proc/fs\",\"/proc/irq\",\"/proc/sys\","
                "\"/proc/sysrq-trigger\"]"},
        {"img", NULL, "linux.maskedPaths",
                "[\"/proc/acpi\",\"/proc/kcore\",\"/proc/keys\",\"/proc/latency_stats\","
                "\"/proc/timer_list\",\"/proc/timer_stats\",\"/proc/sched_debug\",\"/proc/scsi\","
                "\"/sys/firmware\",\"/sys/fs/selinux\",\"/sys/dev/block\"]"},
        {"--privileged|img", NULL, "linux", "{\"maskedPaths\":[],\"readonlyPaths\":[]}"},
        {"--privileged|img", NULL, "fcvm.privileged", "true"},
};

/* Too long for the table: --privileged has all 41, and --cap-add ALL takes single ones away. */
static void all_caps(void)
{
	static const struct plan_case some[] = {
	        {"--privileged|img", NULL, NULL, NULL},
	        {"--cap-add|ALL|img", NULL, NULL, NULL},
	        {"--privileged|--cap-drop|CHOWN|img", NULL, NULL, NULL},
	        {"--cap-add|ALL|--cap-drop|CHOWN|img", NULL, NULL, NULL},
	};
	static const size_t want[] = {41, 41, 41, 40};

	for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
		struct err e = {0};
		auto_json json_t *plan = plan_case_make(&some[i], &e);
		json_t *set = plan_case_part(plan, "process.capabilities.effective");

		is_int(json_array_size(set), want[i], "%s: capabilities", some[i].line);
	}
}

/* {"Volumes": …}: one path of that many components, or that many paths. */
static void volumes(bool deep, size_t n, const char *want)
{
	size_t size = 64 + n * 16;
	auto_free char *text = xcalloc(1, size);
	struct plan_case c = {"--read-only|img", text, NULL, want};
	char *p = text + sprintf(text, "{\"Cmd\":[\"x\"],\"Volumes\":{\"");

	for (size_t i = 0; i < n; i++) {
		if (deep)
			p = stpcpy(p, "/a");
		else
			p += sprintf(p, "%s/%zu", i ? "\":{},\"" : "", i);
	}
	stpcpy(p, "\":{}}}");
	plan_case_run(&c);
}

static void hostile_paths(void)
{
	auto_free char *line = xcalloc(1, 5000);
	struct plan_case user = {line, NULL, NULL, "the path is too long"};

	volumes(true, 1900000, "the path of the volume");
	volumes(true, 2048, "the path of the volume");
	volumes(false, 300, "more than 256 mounts");
	memset(stpcpy(line, "--tmpfs|/"), 'a', 4095);
	strcat(line, "|img");
	plan_case_run(&user);
}

int main(void)
{
	PLAN_CASES(caps);
	PLAN_CASES(limits);
	PLAN_CASES(mounts);
	all_caps();
	hostile_paths();
	return done();
}
