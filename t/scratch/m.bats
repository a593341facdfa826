load ../lib/helper
load ../lib/net
setup_file() { net_start; }
teardown_file() { net_stop; }
setup() { servers=(); }
teardown() { stop_servers; }
@test "many" {
 serve in_world -- serve $WORLD4 7 world
 for a in "400 50" "1000 200" "5000 200"; do
 s=${EPOCHREALTIME/./}
 run timeout 100 nsenter -n -t "$HOST_PID" -- fcvm-net --network bridged -- $TAPGUEST $NETPEER many $WORLD4 7 $a
 echo "$a: $status $output $(( (${EPOCHREALTIME/./}-s)/1000 )) ms" >&3
 done
}
