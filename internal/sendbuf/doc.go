// Package sendbuf keeps the bytes of one stream, or of the CRYPTO data of one encryption level,
// from the first unacknowledged byte on. It knows which of them were never sent, which are in
// flight, which were lost and which were acknowledged out of order.
//
// A Buffer is not safe for concurrent use: the half of a stream guards its Buffer with its own
// mutex, the handshake uses its Buffers on the connection loop only. The memory is pooled; a Buffer
// whose bytes are all acknowledged holds none of it.
//
// The package never decides how much may be written or sent: callers apply flow control and the
// limits on buffered data before Write.
package sendbuf
