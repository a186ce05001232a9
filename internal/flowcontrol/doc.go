// Package flowcontrol keeps the windows of data flow control (RFC 9000, Section 4.1), the same for
// a stream and for a connection: what the peer lets us send (SendWindow) and what we let the peer
// send (ReceiveWindow).
//
// The windows only count. They hold no lock: whoever owns the stream half or the connection's
// credit guards them with its mutex. They build no frames and no errors; callers turn a refusal
// into FLOW_CONTROL_ERROR and an update that is due into MAX_DATA or MAX_STREAM_DATA.
//
// A ReceiveWindow grows by itself when the application reads so fast that the peer is likely to
// wait for credit; it never shrinks and never exceeds its maximum.
package flowcontrol
