#!/usr/bin/env bash
# The whole loop on the embedded chat server: record two clients, replay them at 10x and at 1000x, run the original
# stress tool's random schedule, diff. Called by ./dev demo; arguments: folder of the programs, folder for the files.
# Exit status: 0 when every client completed and nothing differed. A run that was INVALID since this machine was busy
# is said and not held against chorus.
set -euo pipefail

bin="$1"
out="$2"
chorus="$bin/chorus"
rm -rf "$out"
mkdir -p "$out"
cd "$out"
server_pid=
recorder_pid=
trap 'kill $server_pid $recorder_pid 2>/dev/null || true' EXIT
failed=0
account=()

step() { printf '\n--- %s\n' "$*"; }
# Waits until the file has a line with "127.0.0.1:PORT" and prints the port; gives up when the process is gone.
port_in() { # port_in FILE PID
  local port=
  while [ -z "$port" ]; do
    port="$(sed -n 's/.*127\.0\.0\.1:\([0-9][0-9]*\).*/\1/p' "$1" | head -n 1)"
    [ -n "$port" ] || kill -0 "$2" 2>/dev/null || { cat "$1" >&2; return 1; }
  done
  printf '%s' "$port"
}
# Runs chorus, keeps its first line for the account, and notes a failure; an INVALID run proves nothing either way.
run() { # run NAME ARGUMENTS...
  local name="$1" status=0
  shift
  printf '$ chorus %s\n' "$*"
  "$chorus" "$@" >"$name.txt" || status=$?
  cat "$name.txt"
  local first
  first="$(head -n 1 "$name.txt")"
  case "$status:$first" in
    0:*) ;;
    2:INVALID*) first="$first (this machine was too busy to prove anything)" ;;
    2:TROUBLE*INVALID* | 2:) [ -n "$first" ] || first="not compared: the run was INVALID" ;;
    *) failed=1 ;;
  esac
  account+=("$(printf '%-13s %s' "$name" "$first")")
}

step "a chat server, and two people who talk through the recorder"
"$bin/chat-server" --listen 127.0.0.1:0 >server.log 2>&1 &
server_pid=$!
server="127.0.0.1:$(port_in server.log "$server_pid")"
"$chorus" record --listen 127.0.0.1:0 --upstream "$server" --sessions 2 -o two.trace >recorder.out 2>recorder.log &
recorder_pid=$!
proxy="127.0.0.1:$(port_in recorder.log "$recorder_pid")"
printf '%s\n' "hello, is anybody here?" "how was your day?" "/all alice says hi to everybody" "nice, see you tomorrow" >alice.txt
printf '%s\n' "hi alice, bob here" "busy, but good: the server held" "sleep well" "bye alice" >bob.txt
"$bin/chat-client" --connect "$proxy" --nick alice --room 1 --script alice.txt --every 1200ms >alice.log &
alice=$!
until grep -q "in room" alice.log; do
  kill -0 "$alice"
  sleep 0.05
done
sleep 0.2 # bob is the later one, and well before her first words: a replay must not need the luck of a millisecond
"$bin/chat-client" --connect "$proxy" --nick bob --room 1 --script bob.txt --every 1500ms
wait "$alice"
cat alice.log
wait "$recorder_pid"
recorder_pid=
cat recorder.out
"$chorus" show two.trace

step "ten times the clients"
run "10x" replay two.trace --target "$server" --scale 10x --watch "$server_pid" -o ten.trace
run "10x diff" diff two.trace ten.trace

step "a thousand times"
run "1000x" replay two.trace --target "$server" --scale 1000x --ramp 20ms --watch "$server_pid" -o thousand.trace
run "1000x diff" diff two.trace thousand.trace

step "the original stress tool's rates: a client every 5 ms, a random message every 30 ms"
run "random" replay two.trace --target "$server" --clients 1000 --ramp 5ms --schedule random --send-every 30ms \
  --duration 15s --watch "$server_pid" -o random.trace

step "what happened"
printf 'Two clients were recorded, replayed as 20 and as 2,000 clients in rooms of their own, and compared; then 1,000 of\n'
printf 'them talked at random.\n'
printf '  %s\n' "${account[@]}"
printf 'The files are in %s; look at them with\n  %s show %s/thousand.trace --events\n' "$out" "$chorus" "$out"
exit "$failed"
