package measure

// A State is a state of one half of a stream. The values and names are those of quic.StreamState, which
// only one of the two builds has.
type State uint8

const (
	SendReady State = iota + 1
	SendSend
	SendFinQueued
	SendDataSent
	SendResetQueued
	SendResetSent
	SendDataRecvd
	SendResetRecvd
	SendAbandoned
	ReceiveRecv
	ReceiveSizeKnown
	ReceiveDataRecvd
	ReceiveResetRecvd
	ReceiveStopped
	ReceiveDataRead
	ReceiveResetRead
	ReceiveDiscarded
	ReceiveAbandoned
	Retired

	// What every design can report, and all that a datagram layer has to know.
	SendClosed
	ReceiveClosed

	numStates = iota + 1
)

var stateNames = [numStates]string{
	"", "ready", "send", "fin_queued", "data_sent", "reset_queued", "reset_sent", "data_received", "reset_received", "abandoned",
	"receive", "size_known", "data_received", "reset_received", "stopped", "data_read", "reset_read", "discarded", "abandoned",
	"retired", "send closed", "receive closed",
}

// String returns the name that qlog uses.
func (s State) String() string { return stateNames[s] }

// isSend and isReceive say which half a state belongs to; Retired belongs to both and neither.
func (s State) isSend() bool    { return s <= SendAbandoned || s == SendClosed }
func (s State) isReceive() bool { return s >= ReceiveRecv && s < Retired || s == ReceiveClosed }

// closed: nothing more may be written, or nothing more will arrive or be wanted.
func (s State) closed() bool {
	return s >= SendFinQueued && s <= SendAbandoned || s >= ReceiveDataRecvd && s <= ReceiveAbandoned
}

func (s State) terminal() bool {
	return s >= SendDataRecvd && s <= SendAbandoned || s >= ReceiveDataRead && s <= Retired
}
