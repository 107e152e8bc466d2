#!/bin/sh
# Runs the gateway beside nginx and two reference proxies under the same load
# and prints the tables of docs/performance.md. See README.md for what each
# target does and how to read the result.
#
#   HARNESS=folder-of-the-harness bench/run.sh
#
# Variables: CASES, ROUNDS, DURATION, RATE; TARGETS picks some of
# "nginx sallyport sallyport-guarded go-own-client go-reverseproxy";
# SALLYPORT measures another binary than the one built here; PROXY_CPU and
# LOAD_CPU pin (empty: not pinned); OUT keeps every single result (JSON lines).
set -eu

here=$(cd "$(dirname "$0")" && pwd)
HARNESS=${HARNESS:?set HARNESS to the folder of the benchmark harness, see bench/README.md}
CASES=${CASES:-M1000,A,B,C200,S1000,D}
ROUNDS=${ROUNDS:-5}
DURATION=${DURATION:-4s}
RATE=${RATE:-2000}
TARGETS=${TARGETS:-nginx sallyport sallyport-guarded go-own-client go-reverseproxy}
PROXY_CPU=${PROXY_CPU-1}
LOAD_CPU=${LOAD_CPU-0}

for tool in go curl nginx taskset; do
  command -v "$tool" >/dev/null || { echo "bench: $tool is missing" >&2; exit 2; }
done
work=$(mktemp -d)
chmod 755 "$work" # nginx's worker is another user
pids=
cleanup() {
  for pid in $pids; do kill "$pid" 2>/dev/null || :; done
  wait 2>/dev/null || :
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM
ulimit -n 16000 2>/dev/null || :

# start NAME CPU COMMAND...: in the background, its process id in NAME.pid.
start() {
  name=$1 cpu=$2
  shift 2
  [ -z "$cpu" ] || set -- taskset -c "$cpu" "$@"
  "$@" >"$work/$name.log" 2>&1 &
  echo $! >"$work/$name.pid"
  pids="$! $pids"
}

wanted() { case " $TARGETS " in *" $1 "*) return 0 ;; esac; return 1; }

# answers NAME URL: waits until a request with the key passes through.
answers() {
  for _ in $(seq 100); do
    code=$(curl -s -o /dev/null -w '%{http_code}' --noproxy '*' -m 2 -H 'api-key: bench-key' -H 'Content-Type: application/json' \
      -d '{"messages":[]}' "$2" || :)
    [ "$code" = 200 ] && return 0
    sleep 0.1
  done
  echo "bench: $1 answers $code at $2" >&2
  cat "$work/$1.log" >&2
  exit 1
}

(cd "$HARNESS" && go build -o "$work/" ./cmd/mockmodel ./cmd/load ./cmd/benchrun ./cmd/refproxy)
if [ -n "${SALLYPORT:-}" ]; then
  cp "$SALLYPORT" "$work/sallyport"
else
  (cd "$here/.." && go build -o "$work/sallyport" ./cmd/sallyport)
fi

# The guarded API's address list: 1,000 ranges of the documentation networks'
# neighbourhood, none of which is the client, and the client itself.
cp -R "$here/config" "$work/config"
awk '/run.sh puts/ { for (i = 0; i < 1000; i++) printf "<address-range from=\"198.18.%d.%d\" to=\"198.18.%d.%d\" />\n", i/64, i%64*4, i/64, i%64*4+1; next } { print }' \
  "$here/config/apim/apis/guarded/policy.xml" >"$work/config/apim/apis/guarded/policy.xml"

GOMAXPROCS=${PROXY_CPU:+1}
[ -n "$GOMAXPROCS" ] && export GOMAXPROCS || unset GOMAXPROCS
start mock "$LOAD_CPU" "$work/mockmodel" -addr 127.0.0.1:9100 -key backend-key
path='deployments/gpt-4.1-mini/chat/completions?api-version=2024-10-21'
list="{ \"name\": \"direct\", \"url\": \"http://127.0.0.1:9100/openai/$path\", \"headers\": { \"api-key\": \"backend-key\" }, \"pidfile\": \"mock.pid\" }"

# target NAME URL
target() {
  answers "$1" "$2"
  list="$list,
    { \"name\": \"$1\", \"url\": \"$2\", \"headers\": { \"api-key\": \"bench-key\" }, \"pidfile\": \"$1.pid\" }"
}

if wanted nginx; then
  mkdir "$work/nginx"
  start nginx "$PROXY_CPU" nginx -p "$work/nginx" -c "$here/nginx.conf"
  target nginx "http://127.0.0.1:9111/openai/$path"
fi
if wanted sallyport; then
  start sallyport "$PROXY_CPU" "$work/sallyport" serve -c "$work/config/sallyport.yaml" --set "state.dir=$work/state1"
  target sallyport "http://127.0.0.1:9121/openai/$path"
fi
if wanted sallyport-guarded; then
  start sallyport-guarded "$PROXY_CPU" "$work/sallyport" serve -c "$work/config/sallyport.yaml" --set "state.dir=$work/state2" \
    --set gateway.listen=127.0.0.1:9122 --set log.level=info --set log.access=true
  target sallyport-guarded "http://127.0.0.1:9122/guarded/openai/$path"
fi
if wanted go-own-client; then
  start go-own-client "$PROXY_CPU" "$work/refproxy" -kind own -addr 127.0.0.1:9131
  target go-own-client "http://127.0.0.1:9131/openai/$path"
fi
if wanted go-reverseproxy; then
  start go-reverseproxy "$PROXY_CPU" "$work/refproxy" -kind reverse -addr 127.0.0.1:9132
  target go-reverseproxy "http://127.0.0.1:9132/openai/$path"
fi
printf '{ "mock": { "control": "http://127.0.0.1:9100", "pidfile": "mock.pid" },\n  "targets": [ %s ] }\n' "$list" >"$work/targets.json"

model=$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -1)
cat <<TABLE
Machine: $(nproc) × ${model:-unknown CPU}, Linux $(uname -r); $(go version | cut -d' ' -f3); $(nginx -v 2>&1 | sed 's/.*: //').
Proxies on CPU ${PROXY_CPU:-any}, client and model on CPU ${LOAD_CPU:-any}; load average at the start $(cut -d' ' -f1-3 /proc/loadavg).
Sallyport: $("$work/sallyport" version | head -1). Run of $(date -u +%Y-%m-%d).
TABLE
unset GOMAXPROCS
against=nginx
wanted nginx || against=$(echo "$TARGETS" | cut -d' ' -f1)

# run CASES ROUNDS RESULTS
run() {
  "$work/benchrun" -targets "$work/targets.json" -load "$work/load" ${LOAD_CPU:+-load-cpu "$LOAD_CPU"} -against "$against" \
    -cases "$1" -rounds "$2" -d "$DURATION" -rate "$RATE" -out "$3"
}

# Memory goes first and once: a process keeps what it has grown to.
memory= other=
for c in $(echo "$CASES" | tr ',' ' '); do
  case $c in
  M*) memory="$memory,$c" ;;
  *) other="$other,$c" ;;
  esac
done
OUT=${OUT:-$work/runs.jsonl}
[ -z "$memory" ] || run "${memory#,}" 1 "$OUT.memory"
[ -z "$other" ] || run "${other#,}" "$ROUNDS" "$OUT"
