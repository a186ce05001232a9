package http3

import "time"

// What a peer can make us hold.
const (
	// maxFieldLines is the number of field lines in one field section.
	maxFieldLines = 1000
	// fieldLineOverhead is added to the length of each field line when the size of a field
	// section is compared with a limit (RFC 9114, Section 4.2.2).
	fieldLineOverhead = 32
	// maxTrailerBytes limits a trailer section, also if a larger header section is allowed.
	maxTrailerBytes = 1 << 20
	// maxInformationalResponses is the number of 1xx responses before the final one.
	maxInformationalResponses = 5

	// maxSettingsBytes is the length of a SETTINGS frame.
	maxSettingsBytes = 8 << 10
	// maxOtherSettings is the number of settings kept that this package knows nothing about.
	maxOtherSettings = 64
	// maxControlFrameBytes is the length of any other frame that is read whole from a control stream.
	maxControlFrameBytes = 1 << 10
	// maxPendingPriorities is the number of streams not yet opened whose PRIORITY_UPDATE is kept.
	maxPendingPriorities = 100

	// maxStreamDatagrams is the number of datagrams that wait for one stream's ReceiveDatagram.
	maxStreamDatagrams = 1024
	// maxDatagramBytes is their size, each with datagramOverhead, summed over the streams of a connection.
	maxDatagramBytes = 1 << 20
	datagramOverhead = 64
	// maxEarlyDatagrams is the number of datagrams kept for streams that are not yet open,
	// for at most earlyDatagramTime.
	maxEarlyDatagrams = 16
	earlyDatagramTime = time.Second

	// defaultMaxIncomingStreams is quic.Config.MaxIncomingStreams if it is zero.
	defaultMaxIncomingStreams = 100

	// requestHeaderTimeout is the time a client has for the header section of a request.
	requestHeaderTimeout = 30 * time.Second
)
