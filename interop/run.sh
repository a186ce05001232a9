#!/bin/bash
# interop/run.sh: plays the test cases of the QUIC interop runner on this machine, without containers. The client plays against
# the server of this repository, and both against ngtcp2, if its example programs are found. Files are compared byte for byte;
# what else a case asks for is looked up in the traces. The last line is "N passed, N failed, N skipped".
#
#   NGTCP2_CLIENT, NGTCP2_SERVER  the programs, gtlsclient and gtlsserver in PATH by default
#   NGTCP2_ROOT                   a directory that they have to be run in with chroot
#   ONLY                          a regular expression of the names "peer/case" to play
#   KEEP=1                        keep the files, traces and logs
set -u
here=$(cd "$(dirname "$0")" && pwd)
export PATH=$PATH:/usr/local/sbin:/usr/sbin
passed=0 failed=0 skipped=0
root=${NGTCP2_ROOT:-}
ngtcp2_client=${NGTCP2_CLIENT:-gtlsclient}
ngtcp2_server=${NGTCP2_SERVER:-gtlsserver}
work=$(mktemp -d "$root/tmp/interop.XXXXXX")
inside=${work#"$root"} # as ngtcp2 sees it
pids=()

stop() {
	local p
	for p in "${pids[@]}"; do kill "$p" 2>/dev/null && wait "$p" 2>/dev/null; done
	pids=()
}

cleanup() {
	stop
	if [ -n "${KEEP:-}" ]; then echo "kept $work"; else rm -rf "$work"; fi
}
trap cleanup EXIT

in_root() { if [ -n "$root" ]; then chroot "$root" "$@"; else "$@"; fi; }

(cd "$here" && go build -o "$work/" ./client ./server ./udplink) || exit 1
mkdir "$work/certs"
(cd "$work/certs" && go run "$(go env GOROOT)/src/crypto/tls/generate_cert.go" -ca -ecdsa-curve P256 -host localhost,127.0.0.1,::1 2>/dev/null &&
	cp cert.pem ca.pem && mv key.pem priv.key) || exit 1

# A case is: name, files, size, flags of udplink (- for no link), name of the check (- for none).
cases=(
	"handshake 1 1K - no_retry"
	"transfer 3 2M - flow_control"
	"longrtt 1 1K -delay=750ms -"
	"chacha20 1 3M - -"
	"multiplexing 1999 32 - max_streams"
	"retry 1 10K - retry"
	"resumption 2 10K - -"
	"zerortt 40 32 - zero_rtt"
	"http3 3 500K - -"
	"blackhole 1 10M -rate=10000000,-delay=15ms,-on=5s,-off=2s -"
	"keyupdate 1 3M - key_update"
	"ecn 1 100K - ecn"
	"amplificationlimit 1 5K -delay=15ms,-drop-first=6 -"
	"handshakeloss 10 1K -rate=10000000,-delay=15ms,-loss=0.3 -"
	"transferloss 1 2M -rate=10000000,-delay=15ms,-loss=0.02 -"
	"handshakecorruption 10 1K -rate=10000000,-delay=15ms,-corrupt=0.3 -"
	"transfercorruption 1 2M -rate=10000000,-delay=15ms,-corrupt=0.02 -"
	"ipv6 2 10K - -"
	"v2 1 1K - version2"
	"rebind-port 1 10M -rate=10000000,-delay=15ms,-rebind-after=1s,-rebind-every=2s rebinding"
	"rebind-addr 1 10M -rate=10000000,-delay=15ms,-rebind-after=1s,-rebind-every=2s,-rebind-addrs=127.0.0.2+127.0.0.3 rebinding"
	"connectionmigration 1 2M - migration"
	"goodput 1 10M -rate=10000000,-delay=15ms -"
	"crosstraffic 1 5M -rate=20000000,-delay=15ms -"
)

# logged SIDE PATTERN: something in the traces of a side of ours.
logged() { grep -qhsE -- "$2" "$dir"/qlog/*_"$1".sqlog || { echo "the traces of the $1 lack $2"; return 1; }; }
# ours SIDE PATTERN: the same if the side is ours.
ours() { if [[ $sides == *$1* ]]; then logged "$@"; fi; }
frame() { ours "$1" "packet_$2.*\"frame_type\":\"$3\""; }

check_no_retry() { ! ours client '"packet_type":"retry"' >/dev/null || [ "$sides" = server ]; }
check_flow_control() { frame client sent max_data && frame client sent max_stream_data; }
check_max_streams() { frame server sent max_streams && frame client received max_streams; }
check_retry() { ours client 'packet_received.*"packet_type":"retry"' && ours server 'packet_received.*"packet_type":"initial".*"token"'; }
check_zero_rtt() { ours client 'packet_sent.*"packet_type":"0RTT"' && ours server 'packet_received.*"packet_type":"0RTT"'; }
check_key_update() { ours client 'packet_sent.*"key_phase_bit":true' && ours client '"trigger":"(remote|local)_update"' && ours server '"trigger":"(remote|local)_update"'; }
check_ecn() { ours client 'packet_sent.*"ect0":[1-9]' && ours server 'packet_sent.*"ect0":[1-9]'; }
check_version2() {
	ours client 'packet_received.*"packet_type":"initial".*"version":"6b3343cf"' && ours client 'packet_sent.*"packet_type":"handshake".*"version":"6b3343cf"' &&
		ours server 'packet_received.*"packet_type":"handshake".*"version":"6b3343cf"'
}
check_rebinding() { frame server sent path_challenge && frame server received path_response && frame client sent path_response && ours server 'tuple_assigned'; }
check_migration() { ours client 'packet_sent.*path_challenge' && ours client 'preferred_address' && ours server 'tuple_assigned'; }

# result NAME STATUS: counts a case; its output is in $dir/out.
result() {
	if [ "$2" = 0 ]; then
		passed=$((passed + 1))
		echo "ok   $1"
	else
		failed=$((failed + 1))
		echo "FAIL $1"
		tail -n 6 "$dir/out" | cut -c1-300 | sed 's/^/     | /'
	fi
}

skip() {
	skipped=$((skipped + 1))
	echo "skip $1: $2"
}

# files N SIZE: makes $names in $dir/www.
files() {
	local i size
	size=$(numfmt --from=iec "$2")
	names=()
	for ((i = 0; i < $1; i++)); do
		names+=("$(printf 'file%04d%s' "$i" "$long")")
		head -c "$size" /dev/urandom >"$dir/www/${names[i]}"
	done
}

# first_line FILE: waits for what a program prints first.
first_line() {
	local i
	for ((i = 0; i < 200; i++)); do
		[ -s "$1" ] && { head -n 1 "$1"; return; }
		sleep 0.05
	done
	return 1
}

# free_port: a UDP port that nobody uses.
free_port() {
	local port
	while port=$((20000 + RANDOM % 20000)); do
		grep -qis ":$(printf %04X "$port") " /proc/net/udp /proc/net/udp6 || { echo "$port"; return; }
	done
}

# start_server CASE: one of ours; sets $addr.
start_server() {
	local host=127.0.0.1 name=$1
	[ "$1" = ipv6 ] && host='[::1]'
	TESTCASE=$name QLOGDIR=$dir/qlog "$work/server" -addr "$host:0" -www "$dir/www" -certs "$work/certs" $h3 >"$dir/addr" 2>"$dir/server.log" &
	pids+=($!)
	addr=$(first_line "$dir/addr")
}

# start_ngtcp2_server CASE: sets $addr.
start_ngtcp2_server() {
	local port flags=() i
	port=$(free_port)
	case $1 in
	retry) flags=(--validate-addr) ;;
	v2) flags=(--preferred-versions=0x6b3343cf,0x1) ;;
	connectionmigration) flags=("--preferred-ipv4-addr=127.0.0.1:$(free_port)") ;;
	esac
	local host=127.0.0.1
	[ "$1" = ipv6 ] && host=::1
	in_root "$ngtcp2_server" --no-quic-dump --no-http-dump -d "$inside/$name/www" "${flags[@]}" "$host" "$port" "$inside/certs/priv.key" "$inside/certs/cert.pem" >"$dir/server.log" 2>&1 &
	pids+=($!)
	for ((i = 0; i < 100; i++)); do
		grep -qis ":$(printf %04X "$port") " /proc/net/udp /proc/net/udp6 && break
		sleep 0.05
	done
	addr=$host:$port
	if [ "$1" = ipv6 ]; then addr="[::1]:$port"; fi
}

# start_link FLAGS: puts a link before the server; changes $addr.
start_link() {
	local flags=${1//,/ }
	# shellcheck disable=SC2086 # a list
	"$work/udplink" -server "$addr" ${flags//+/,} >"$dir/link" 2>"$dir/link.log" &
	pids+=($!)
	addr=$(first_line "$dir/link")
}

# fetch CASE DIR: the client of ours.
fetch() {
	local urls=() n
	for n in "${names[@]}"; do urls+=("https://$addr/$n"); done
	mkdir -p "$2"
	REQUESTS="${urls[*]}" TESTCASE=$1 QLOGDIR=$dir/qlog timeout 100 "$work/client" -downloads "$2" -certs "$work/certs" $h3
}

ngtcp2_fetch_files() { # FLAGS -- NAMES
	local flags=() urls=() port=${addr##*:} host=${addr%:*} n
	while [ "$1" != -- ]; do flags+=("$1"); shift; done
	shift
	host=${host#[} host=${host%]}
	for n in "$@"; do urls+=("https://localhost:$port/$n"); done
	timeout 100 ${root:+chroot} ${root:+"$root"} "$ngtcp2_client" --exit-on-all-streams-close --no-quic-dump --no-http-dump --timeout=30s \
		--download="$inside/$name/downloads" "${flags[@]}" "$host" "$port" "${urls[@]}"
}

# ngtcp2_fetch CASE: the client of ngtcp2.
ngtcp2_fetch() {
	local n session=("--session-file=$inside/$name/session" "--tp-file=$inside/$name/tp") wait=()
	in_root "$ngtcp2_client" --help 2>&1 | grep -q -- --wait-for-ticket && wait=(--wait-for-ticket)
	mkdir -p "$dir/downloads"
	case $1 in
	handshakeloss | handshakecorruption)
		for n in "${names[@]}"; do ngtcp2_fetch_files --handshake-timeout=60s -- "$n" || return; done
		;;
	chacha20) ngtcp2_fetch_files --ciphers=NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+CHACHA20-POLY1305 -- "${names[@]}" ;;
	v2)
		local versions=0x6b3343cf,0x1
		ngtcp2_fetch_files -v 0x1 --available-versions="$versions" --preferred-versions="$versions" -- "${names[@]}"
		;;
	resumption)
		ngtcp2_fetch_files "${session[@]}" "${wait[@]}" -- "${names[0]}" && rm -f "$dir/tp" &&
			ngtcp2_fetch_files "${session[@]}" --disable-early-data -- "${names[@]:1}"
		;;
	zerortt)
		ngtcp2_fetch_files "${session[@]}" "${wait[@]}" -- "${names[0]}" &&
			ngtcp2_fetch_files "${session[@]}" -- "${names[@]:1}"
		;;
	*) ngtcp2_fetch_files -- "${names[@]}" ;;
	esac
}

same_files() {
	local n
	for n in "${names[@]}"; do cmp "$dir/www/$n" "$1/$n" || return; done
	[ "$(find "$1" -type f | wc -l)" = "${#names[@]}" ] || { echo "other files in $1"; return 1; }
}

# server_case CASE: the runner's name of a case at the server.
server_case() { if [ "$1" = keyupdate ]; then echo transfer; else echo "$1"; fi; }

play_self() {
	start_server "$(server_case "$1")" && { [ "$2" = - ] || start_link "$2"; } || return
	if [ "$1" = crosstraffic ]; then # beside another connection
		fetch transfer "$dir/beside" >"$dir/beside.log" 2>&1 &
		local beside=$!
		fetch "$1" "$dir/downloads" && same_files "$dir/downloads" && wait "$beside" && same_files "$dir/beside"
		return
	fi
	fetch "$1" "$dir/downloads" && same_files "$dir/downloads"
}

play_ngtcp2_server() {
	start_ngtcp2_server "$1" && { [ "$2" = - ] || start_link "$2"; } || return
	fetch "$1" "$dir/downloads" && same_files "$dir/downloads"
}

play_ngtcp2_client() {
	start_server "$(server_case "$1")" && { [ "$2" = - ] || start_link "$2"; } || return
	ngtcp2_fetch "$1" && same_files "$dir/downloads"
}

# has_v2 PROGRAM: ngtcp2 has got the option together with RFC 9369.
has_v2() { in_root "$1" --help 2>&1 | grep -q -- --available-versions; }

# unplayable PEER CASE: says why a case cannot be played.
unplayable() {
	case $1/$2 in
	self/connectionmigration | ngtcp2-client/connectionmigration) echo "the server has no preferred address to announce" ;;
	ngtcp2-server/zerortt) echo "GnuTLS takes 0-RTT of crypto/tls for replayed: ages of tickets are whole seconds" ;;
	ngtcp2-server/handshakecorruption) echo "ngtcp2 answers a token that is corrupted with INVALID_TOKEN, before it checks that the packet is authentic" ;;
	ngtcp2-server/v2) has_v2 "$ngtcp2_server" || echo "this ngtcp2 knows a draft of version 2 only" ;;
	ngtcp2-client/v2) has_v2 "$ngtcp2_client" || echo "this ngtcp2 knows a draft of version 2 only" ;;
	ngtcp2-*/crosstraffic) echo "played between our own endpoints only" ;;
	*/ipv6) grep -qs . /proc/net/if_inet6 || echo "this machine has no IPv6" ;;
	*/rebind-addr) [ "$(uname)" = Linux ] || echo "this system has no 127.0.0.2" ;;
	esac
}

play() { # PEER CASE FILES SIZE LINK CHECK
	local status why
	name=$1/$2
	[[ $name =~ ${ONLY:-} ]] || return
	why=$(unplayable "$1" "$2")
	[ -n "$why" ] && { skip "$name" "$why"; return; }
	name=${name//\//-}
	dir=$work/$name
	mkdir -p "$dir/www" "$dir/qlog"
	long=
	[ "$2" = zerortt ] && long=$(printf 'x%.0s' $(seq 200))
	files "$3" "$4"
	"play_${1//-/_}" "$2" "$5" >"$dir/out" 2>&1
	status=$?
	stop
	if [ $status = 0 ] && [ "$6" != - ]; then
		"check_$6" >>"$dir/out" 2>&1
		status=$?
	fi
	result "$1/$2" $status
	[ $status != 0 ] || [ -n "${KEEP:-}" ] || rm -rf "$dir"
}

play_all() {
	local c
	# shellcheck disable=SC2086 # these are lists
	for c in "${cases[@]}"; do play "$1" $c; done
}

for role in client server; do # not known, so 127 is asked for
	TESTCASE=nonsense "$work/$role" -certs "$work/certs" >/dev/null 2>&1
	status=$?
	dir=$work
	echo "exit status $status, want 127" >"$dir/out"
	[[ unsupported-$role =~ ${ONLY:-} ]] && result "unsupported-$role" $((status - 127))
done

h3='' sides='client server'
play_all self
h3=-h3
if in_root "$ngtcp2_server" --help >/dev/null 2>&1; then sides=client play_all ngtcp2-server; else skip ngtcp2-server "$ngtcp2_server is not there"; fi
if in_root "$ngtcp2_client" --help >/dev/null 2>&1; then sides=server play_all ngtcp2-client; else skip ngtcp2-client "$ngtcp2_client is not there"; fi
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ]
