#!/usr/bin/env bash
# Runs every program of this module with quic-go v0.65.0, where it has to exit with status 1, and with the module in ../..,
# where it has to exit with status 0. The Go module proxy is needed. Prints "N as expected, M not" last.
# With names as arguments: these programs only.
set -euo pipefail
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
go build -o "$work/released/" ./...

cp go.mod "$work/here.mod"
cp go.sum "$work/here.sum"
go mod edit -replace "github.com/quic-go/quic-go=$(cd ../.. && pwd)" "$work/here.mod"
go build -mod=mod -modfile="$work/here.mod" -o "$work/here/" ./...

good=0 bad=0
# run prints a row: the program, the version, its status and its line.
run() {
	local status=0 text
	text=$("$work/$1/$2" 2>&1) || status=$?
	if [ "$status" = "$3" ]; then good=$((good + 1)); else bad=$((bad + 1)); text="EXPECTED STATUS $3: $text"; fi
	printf '%-29s %-9s %d  %s\n' "$2" "$4" "$status" "$text"
}
[ $# -gt 0 ] || set -- */main.go
for name in "$@"; do
	name=${name%/main.go}
	run released "$name" 1 v0.65.0
	run here "$name" 0 here
done
printf '%d as expected, %d not\n' "$good" "$bad"
[ "$bad" = 0 ]
