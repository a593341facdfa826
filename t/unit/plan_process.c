/* SPDX-License-Identifier: MIT
 * Command, user, directory, signals: what podman 4.3 puts into config.json is expected,
 * unless the message shows that fcvm refuses more. */
#include "plan_case.h"

#define FULL "{\"Entrypoint\":[\"/ep\",\"-x\"],\"Cmd\":[\"a\",\"b\"]}"

static const struct plan_case command[] = {
        {"img", "{\"Cmd\":[\"sh\"]}", "process.args", "[\"sh\"]"},
        {"img|ls|-l", "{\"Cmd\":[\"sh\"]}", "process.args", "[\"ls\",\"-l\"]"},
        {"img|--|ls", "{\"Cmd\":[\"sh\"]}", "process.args", "[\"ls\"]"},
        {"img|--|--|ls", NULL, "process.args", "[\"--\",\"ls\"]"},
        {"img|sh|--|x", NULL, "process.args", "[\"sh\",\"--\",\"x\"]"},
        {"--|img|ls", NULL, "process.args", "[\"ls\"]"},
        {"img|--name|x", NULL, "process.args", "[\"--name\",\"x\"]"},
        {"img|", FULL, "process.args", "[\"/ep\",\"-x\",\"\"]"},
        {"img", FULL, "process.args", "[\"/ep\",\"-x\",\"a\",\"b\"]"},
        {"img|c", FULL, "process.args", "[\"/ep\",\"-x\",\"c\"]"},
        {"--entrypoint|/new|img", FULL, "process.args", "[\"/new\"]"},
        {"--entrypoint=/new|img|c", FULL, "process.args", "[\"/new\",\"c\"]"},
        {"--entrypoint=/new -l|img", FULL, "process.args", "[\"/new -l\"]"},
        {"--entrypoint=[\"/n\",\"-l\"]|img|c", FULL, "process.args", "[\"/n\",\"-l\",\"c\"]"},
        {"--entrypoint=[\"/n\"|img|c", FULL, "process.args", "[\"[\\\"/n\\\"\",\"c\"]"},
        {"--entrypoint=[1]|img|c", FULL, "process.args", "[\"[1]\",\"c\"]"},
        {"--entrypoint=[]|img", FULL, "process.args", "[\"a\",\"b\"]"},
        {"--entrypoint=[]|img|c", FULL, "process.args", "[\"c\"]"},
        {"--entrypoint=|img|c", FULL, "process.args", "[\"c\"]"},
        {"--entrypoint=|img", FULL, NULL, "no command or entrypoint provided"},
        {"img", "{\"Entrypoint\":[\"\"],\"Cmd\":[\"a\"]}", "process.args", "[\"a\"]"},
        {"img", "{}", NULL,
                "no command or entrypoint provided, and no CMD or ENTRYPOINT from image"},
        {"img", "null", NULL, "no command or entrypoint provided"},
        {"img", "{\"Cmd\":null,\"Entrypoint\":null}", NULL, "no command or entrypoint"},
        {"img", "{\"Cmd\":[]}", NULL, "no command or entrypoint"},
        {"img|\xff", NULL, NULL, "the command is not valid UTF-8"},
};

static const struct plan_case place[] = {
        {"img", NULL, "process.cwd", "\"/\""},
        {"img", "{\"Cmd\":[\"x\"],\"WorkingDir\":\"/srv\"}", "process.cwd", "\"/srv\""},
        {"img", "{\"Cmd\":[\"x\"],\"WorkingDir\":\"/srv\"}", "fcvm.createCwd", "true"},
        {"-w|/w|img", "{\"Cmd\":[\"x\"],\"WorkingDir\":\"/srv\"}", "process.cwd", "\"/w\""},
        {"-w|/w|img", "{\"Cmd\":[\"x\"],\"WorkingDir\":\"/srv\"}", "fcvm.createCwd", "false"},
        {"--workdir=|img", "{\"Cmd\":[\"x\"],\"WorkingDir\":\"/srv\"}", "process.cwd", "\"/srv\""},
        {"--workdir|rel|img", NULL, NULL, "--workdir rel: must be an absolute path"},
        {"img", "{\"Cmd\":[\"x\"],\"WorkingDir\":\"rel\"}", NULL, "WorkingDir is not an absolute"},
        {"img", NULL, "process.user", "{\"username\":\"\"}"},
        {"img", "{\"Cmd\":[\"x\"],\"User\":\"web:www\"}", "process.user",
                "{\"username\":\"web:www\"}"},
        {"-u1000:5|img", "{\"Cmd\":[\"x\"],\"User\":\"web\"}", "process.user",
                "{\"username\":\"1000:5\"}"},
        {"--user=|img", "{\"Cmd\":[\"x\"],\"User\":\"web\"}", "process.user",
                "{\"username\":\"web\"}"},
        {"img", NULL, "process.terminal", "false"},
        {"-it|img", NULL, "process.terminal", "true"},
        {"-it|img", NULL, "fcvm.interactive", "true"},
        {"-i|--tty=false|img", NULL, "process.terminal", "false"},
        {"--init|--rm|img", NULL, "fcvm.init", "true"},
        {"img", NULL, "process.noNewPrivileges", "false"},
        {"img", NULL, "hostname", "\"web\""},
        {"-h|db.local|img", NULL, "hostname", "\"db.local\""},
        {"--hostname=|img", NULL, "hostname", "\"web\""},
        {"--hostname|a b|img", NULL, NULL, "--hostname a b: a host name is"},
        {"--hostname|12345678901234567890123456789012345678901234567890123456789012345|img", NULL,
                NULL, "1 to 64"},
        {"--name|-x|img", NULL, NULL, "--name -x: a name is"},
        {"--name|a/b|img", NULL, NULL, "--name a/b: a name is"},
        {"--strace-agent|img", NULL, "fcvm.straceAgent", "true"},
};

static const struct plan_case stopping[] = {
        {"img", NULL, "fcvm.stopSignal", "15"},
        {"img", "{\"Cmd\":[\"x\"],\"StopSignal\":\"SIGQUIT\"}", "fcvm.stopSignal", "3"},
        {"--stop-signal|9|img", "{\"Cmd\":[\"x\"],\"StopSignal\":\"SIGQUIT\"}", "fcvm.stopSignal",
                "9"},
        {"--stop-signal|hup|img", NULL, "fcvm.stopSignal", "1"},
        {"--stop-signal|RTMIN+3|img", NULL, "fcvm.stopSignal", "37"},
        {"--stop-signal|SIGRTMAX-1|img", NULL, "fcvm.stopSignal", "63"},
        {"img", "{\"Cmd\":[\"x\"],\"StopSignal\":\"SIGRTMAX-1\"}", "fcvm.stopSignal", "63"},
        {"--stop-signal|foo|img", NULL, NULL, "--stop-signal foo: no such signal"},
        {"--stop-signal|65|img", NULL, NULL, "no such signal"},
        {"--stop-signal|0|img", NULL, NULL, "no such signal"},
        {"img", "{\"Cmd\":[\"x\"],\"StopSignal\":\"SIGNO\"}", NULL, "StopSignal is not a signal"},
        {"img", NULL, "fcvm.stopTimeout", "10"},
        {"--stop-timeout|0|img", NULL, "fcvm.stopTimeout", "0"},
        {"--stop-timeout|-1|img", NULL, NULL, "--stop-timeout -1: not a number"},
        {"--stop-timeout|4294967296|img", NULL, NULL, "--stop-timeout: at most"},
};

static const struct plan_case tags[] = {
        {"img", NULL, "labels", "{}"},
        {"-l|x=y|-lz|--label|a=over=ride|img",
                "{\"Cmd\":[\"x\"],\"Labels\":{\"a\":\"b\",\"k\":\"v\"}}", "labels",
                "{\"a\":\"over=ride\",\"k\":\"v\",\"x\":\"y\",\"z\":\"\"}"},
        {"-l|=y|img", NULL, NULL, "--label '=y': a label without a name"},
        {"img", "{\"Cmd\":[\"x\"],\"Labels\":{\"a\":1}}", NULL, "Labels holds something"},
        {"--annotation|a=b,c=d|--annotation|e=|img", NULL, "annotations",
                "{\"a\":\"b\",\"c\":\"d\",\"e\":\"\"}"},
        {"--annotation|c|img", NULL, NULL, "--annotation 'c': not NAME=VALUE"},
        {"img:tag", NULL, "image", "\"img:tag\""},
        {"img", NULL, "name", "\"web\""},
        {"img", NULL, "fcvmPlan", "1"},
};

int main(void)
{
	PLAN_CASES(command);
	PLAN_CASES(place);
	PLAN_CASES(stopping);
	PLAN_CASES(tags);
	return done();
}
