// Package udp reads and writes UDP datagrams in batches, with as much help from the operating
// system as a socket offers: coalesced receiving (UDP_GRO), segmented sending (UDP_SEGMENT), ECN
// codepoints, packet info and the DF bit.
//
// Wrap picks one of three implementations of Conn:
//
//   - on Linux, exactly *net.UDPConn: recvmmsg and sendmsg on the file descriptor;
//   - anything with SyscallConn, ReadMsgUDP and WriteMsgUDP: these methods, so that a wrapper
//     that overrides them sees all traffic (never coalesced on receipt, but segmented on sending);
//   - any other net.PacketConn: ReadFrom and WriteTo, also with addresses that are not UDP.
//
// ReadBatch is called by one goroutine at a time, the reader of a Transport; everything else may be
// called from any goroutine. Errors that pass by themselves do not end the reader: it tries again,
// with a growing pause. Failed sends are classified (ErrTransient, ErrMessageTooLong); the caller
// counts a transient one as a lost packet.
//
// Received bytes live in reference counted Buffers. Large memory is lent only to large reads: what
// is much smaller than its 64 KiB slot is copied to a smaller buffer, so that a tiny packet that
// waits somewhere does not pin a slot. Nothing is allocated per packet in steady state.
//
// Datagrams without payload are no QUIC packets; they are skipped, as are truncated ones.
// The package knows nothing of QUIC beyond that, and logs nothing.
package udp
