// Package reassembly puts the received ranges of one stream, or of the CRYPTO data of one
// encryption level, in order.
//
// Received bytes are copied into blocks of fixed size that are found by their offset, so no packet
// is kept alive and a byte costs the same memory however small the fragments are. A few bytes alone
// need no block. Per Buffer the
// peer controls two things: how far ahead of the reader it sends, which the caller limits with flow
// control (or MaxCryptoBuffered) before Push, and the number of gaps, which is limited to
// protocol.MaxStreamGaps here.
//
// A Buffer is not safe for concurrent use: the half of a stream guards its Buffer with its own
// mutex, the handshake uses its Buffers on the connection loop only. The memory is pooled; a Buffer
// that holds no bytes holds no block. The package knows nothing of final sizes and never reports
// how the bytes were framed.
package reassembly
