# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# A real registry on loopback, on a port that the kernel chooses.

# registry_start DIR [CONFIG-LINES]: sets REGISTRY (host:port) and REGISTRY_PID. CONFIG-LINES are
# appended to its YAML configuration.
registry_start() {
	mkdir -p "$1/store"
	cat >"$1/config.yml" <<-END
		version: 0.1
		log: {level: info, accesslog: {disabled: false}}
		storage: {filesystem: {rootdirectory: $1/store}, delete: {enabled: true}}
		http: {addr: '127.0.0.1:0'}
		${2:-}
	END
	OTEL_TRACES_EXPORTER=none docker-registry serve "$1/config.yml" >"$1/log" 2>&1 3>&- 4>&- &
	REGISTRY_PID=$!
	REGISTRY=
	local end=$((SECONDS + 20))
	while [[ -z $REGISTRY ]]; do
		if ((SECONDS > end)) || ! kill -0 "$REGISTRY_PID"; then
			echo "docker-registry does not start: $(tail -n 1 "$1/log")" >&2
			return 1
		fi
		sleep 0.05
		REGISTRY=$(sed -n 's/.*listening on \(127\.0\.0\.1:[0-9]*\).*/\1/p' "$1/log")
	done
}

registry_stop() {
	[[ -z ${REGISTRY_PID:-} ]] || kill "$REGISTRY_PID"
	wait "${REGISTRY_PID:-}" 2>/dev/null || :
	REGISTRY_PID=
}
