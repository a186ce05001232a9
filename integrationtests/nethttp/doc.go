// Package nethttp compares this HTTP/3 stack with net/http: the same handlers and the same steps of a
// client run over net/http with HTTP/2 and TLS, and over http3.Server and http3.Transport.
//
// It has tests only. Each row of the matrix notes what its handler and its client see; what the stacks
// do not have in common must be listed in differences_test.go, with both observations and a reason. A
// difference that is not listed fails, and so does one that is listed and does not exist any more.
// docs/net-http.md is made of that list; `go test ./integrationtests/nethttp -update` writes it anew.
// Loopback sockets and real time: nothing here may depend on how fast the machine is.
package nethttp
