#!/bin/bash
# Entry point of the image. The runner sets ROLE, TESTCASE, REQUESTS, SSLKEYLOGFILE, QLOGDIR, CLIENT_PARAMS and SERVER_PARAMS.
set -e

/setup.sh

case "$ROLE" in
client)
	/wait-for-it.sh sim:57832 -s -t 30
	# shellcheck disable=SC2086 # these are lists
	exec /client $CLIENT_PARAMS
	;;
server)
	# shellcheck disable=SC2086
	exec /server $SERVER_PARAMS
	;;
*)
	echo "ROLE is \"$ROLE\", want client or server" >&2
	exit 1
	;;
esac
