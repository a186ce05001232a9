// Package quic implements QUIC: RFC 9000, 9001, 9002, QUIC version 2 (RFC 9369), compatible version negotiation (RFC 9368),
// datagrams (RFC 9221), reliable stream resets (draft-ietf-quic-reliable-stream-reset) and fewer acknowledgements
// (draft-ietf-quic-ack-frequency), with native callbacks for the states of streams.
//
// A Transport is a UDP socket that clients and one listener share. Dial and Listen return connections, Conn opens
// and accepts streams:
//
//	conn, err := quic.DialAddr(ctx, "example.com:443", tlsConf, nil)
//	stream, err := conn.OpenStreamSync(ctx)
//	stop := stream.OnStateTransition(func(s quic.StreamState) { ... })
//
// All exported methods may be called from any goroutine. Callbacks of OnStateTransition and
// SetReceiveFinalSizeCallback run on the goroutine of their connection with no lock held; they must not block.
//
// The map of the package:
//
//	transport*.go conn_table.go    a socket: demultiplexing by connection ID, its reader
//	listener.go server_initial.go recent_retries.go  the server's answer to the first packets
//	client.go                      Dial, Listen and their variants
//	connection.go                  Conn: fields by owner, public methods
//	connection_loop.go timers.go   the loop goroutine, its deadlines; the only place that reads the clock
//	connection_receive.go _frames  from a datagram to the handlers of its frames
//	connection_send.go             from what waits to batches of datagrams
//	packet_assembly.go             packets in place: headers, frames, padding, sealing
//	connection_handshake.go        TLS events, keys, transport parameters, Retry, Version Negotiation
//	connection_version.go          the server's choice of a compatible version
//	scrambled_hello.go             the order in which a ClientHello is sent
//	connection_recovery.go         what becomes of sent frames
//	connection_close.go            the end: CONNECTION_CLOSE, closing, draining
//	connection_qlog*.go transport_qlog.go            what is recorded for qlog
//	stream_state.go                states of stream halves: two tables and the one function that changes a state
//	stream_observer.go             who is told of states, and when
//	send_stream*.go receive_stream*.go stream.go     the halves and the stream of both
//	streams_map*.go stream_scheduler.go              all streams of a connection, limits, order of sending
//	datagram_queue.go              DATAGRAM frames in both directions
//
// What can be explained without the word connection is in packages below internal.
package quic
