// Command datagrams shows that HTTP datagrams follow the state of their stream.
//
// It starts an HTTP/3 server and a client on loopback, opens extended CONNECT streams between them, exchanges
// HTTP datagrams and walks through the ways in which a stream ends. It prints each state that the
// client's streams enter at the moment it is reported, and what SendDatagram and ReceiveDatagram answer.
//
// With -addr it is only the server, with -connect only the client; see -h.
package main
